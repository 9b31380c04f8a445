using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Tests.Paravirt;

/// <summary>
/// Processors with local APICs, 1 MiB of RAM at zero, a page of ROM behind it, and a clock that is moved by hand. No engine.
/// </summary>
internal sealed class ParavirtMachine : IDisposable
{
    public const ulong MemorySize = 1 << 20;
    public const ulong Rom = MemorySize;

    public static readonly DateTime Origin = new DateTime(2026, 5, 4, 3, 2, 1, DateTimeKind.Utc).AddTicks(1_234_567);

    private readonly GuestMemory _ram = new(MemorySize);
    private readonly GuestMemory _rom = new(GuestMemory.PageSize);

    public ParavirtMachine(
        int processors = 1, ParavirtFeatures features = ParavirtFeatures.All, ulong frequency = 1_000_000_000,
        Action<X86Cpu>? lookForStandstill = null)
    {
        Memory.MapRam(0, _ram, 0, MemorySize);
        Memory.MapRam(Rom, _rom, 0, GuestMemory.PageSize, readOnly: true);
        Policy = new CpuidPolicy { ProcessorCount = processors, Paravirtual = features, TscFrequency = frequency };
        for (int i = 0; i < processors; i++)
        {
            X86Cpu? cpu = null;
            LocalApic apic = new((uint)i, Clock, Bus, Policy, pic: null, () => cpu!.ReadTsc());
            KvmHypercallInterface hypercalls = new(i, Policy, Memory, apic, new WallClock(Clock, Origin));
            cpu = new X86Cpu(new X86CpuWiring
            {
                Index = i,
                Memory = Memory,
                Ports = new PortSpace(),
                Clock = Clock,
                LocalApic = apic,
                Cpuid = Policy,
                Hypercalls = hypercalls,
                LookForStandstill = lookForStandstill is null ? null : () => lookForStandstill(cpu!),
            });
            apic.Connect(new Host(cpu));
            apic.WriteMmio(0xF0, AccessWidth.Dword, 0x1FF); // software-enabled
            Cpus.Add(cpu);
            Apics.Add(apic);
            Interfaces.Add(hypercalls);
        }
    }

    public CpuidPolicy Policy { get; }

    public ManualClock Clock { get; } = new();

    public AddressSpace Memory { get; } = new();

    public GuestMemory Ram => _ram;

    public ApicBus Bus { get; } = new();

    public List<X86Cpu> Cpus { get; } = [];

    public List<LocalApic> Apics { get; } = [];

    public List<KvmHypercallInterface> Interfaces { get; } = [];

    public X86Cpu Cpu => Cpus[0];

    public LocalApic Apic => Apics[0];

    public KvmHypercallInterface Interface => Interfaces[0];

    public uint Dword(ulong gpa) => BinaryPrimitives.ReadUInt32LittleEndian(_ram.Slice(gpa, 4));

    public ulong Quad(ulong gpa) => BinaryPrimitives.ReadUInt64LittleEndian(_ram.Slice(gpa, 8));

    public byte this[ulong gpa]
    {
        get => _ram.Slice(gpa, 1)[0];
        set => _ram.Slice(gpa, 1)[0] = value;
    }

    public void Fill(ulong gpa, int length, byte value) => _ram.Slice(gpa, length).Fill(value);

    /// <summary>The time that a guest computes from a clock's record and its TSC, as Linux does; in ns.</summary>
    public ulong ReadClock(ulong gpa, ulong tsc)
    {
        Assert.Equal(0U, Dword(gpa) & 1);
        ulong ticks = tsc - Quad(gpa + 8);
        sbyte shift = (sbyte)this[gpa + 28];
        UInt128 scaled = shift < 0 ? ticks >> -shift : (UInt128)ticks << shift;
        return Quad(gpa + 16) + (ulong)((scaled * Dword(gpa + 24)) >> 32);
    }

    /// <summary>Whether WRMSR takes the value; its fault does not stay.</summary>
    public bool Write(uint msr, ulong value, int processor = 0)
    {
        bool done = Cpus[processor].TryWriteMsr(msr, value);
        ForgetFault(Cpus[processor]);
        return done;
    }

    public bool Read(uint msr, out ulong value)
    {
        bool done = Cpu.TryReadMsr(msr, out value);
        ForgetFault(Cpu);
        return done;
    }

    /// <summary>A hypercall of 32-bit code at CPL 0, as the processor is after reset.</summary>
    public int Call(ulong number, ulong rbx = 0, ulong rcx = 0, ulong rdx = 0, ulong rsi = 0)
    {
        (Cpu.Register(Gpr.Rax), Cpu.Register(Gpr.Rbx), Cpu.Register(Gpr.Rcx)) = (number, rbx, rcx);
        (Cpu.Register(Gpr.Rdx), Cpu.Register(Gpr.Rsi)) = (rdx, rsi);
        Cpu.ServeHypercall();
        return (int)Cpu.Register(Gpr.Rax);
    }

    public void Dispose()
    {
        Apics.ForEach(apic => apic.Dispose());
        Cpus.ForEach(cpu => cpu.Dispose());
        _ram.Dispose();
        _rom.Dispose();
    }

    // SAFETY: the context lives as long as the processor.
    private static unsafe void ForgetFault(X86Cpu cpu) => cpu.Context->PendingException = 0;

    private sealed class Host(X86Cpu cpu) : ILocalApicHost
    {
        public void Kick()
        {
        }

        public void SignalNmi() => cpu.PostNmi();

        public void SignalInit() => cpu.PostInit();

        public void SignalWake() => cpu.PostWake();

        public void SignalStartup(byte vector) => cpu.PostStartup(vector);
    }
}
