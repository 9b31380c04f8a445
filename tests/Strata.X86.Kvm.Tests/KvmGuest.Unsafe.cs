using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Apic;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Paravirt;
using Strata.X86.Registers;

namespace Strata.X86.Kvm.Tests;

/// <summary>One processor on KVM with 4 MiB of memory, a local APIC and real time.</summary>
internal sealed unsafe class KvmGuest : ILocalApicHost, IDisposable
{
    public const ulong Code = 0x8000;
    public const ulong Stack = 0x7000;
    public const ulong Data = 0x20000;

    private const ulong MemorySize = 4 << 20;
    private const ulong PageTables = 0x1000;
    private const ulong Gdt = 0x4000;
    private const ulong Idt = 0x5000;
    private const ulong Tss = 0x6000;
    private const ulong KernelStack = 0x20_8000;

    private readonly GuestMemory _memory = new(MemorySize);
    private readonly RealTimeClock _clock = new();
    private readonly KvmDevice _device;
    private readonly KvmMachine _machine;
    private readonly X86Cpu _cpu;

    public KvmGuest(bool logsDirtyPages = false)
    {
        Space.MapRam(0, _memory, 0, MemorySize);
        _device = KvmDevice.Open();
        CpuidPolicy policy = _device.Adapt(new CpuidPolicy());
        ApicBus bus = new();
        Apic = new LocalApic(0, _clock, bus, policy, pic: null, () => _cpu!.ReadTsc());
        Hypercalls = new KvmHypercallInterface(0, policy, Space, Apic, new WallClock(_clock, DateTime.UnixEpoch));
        _cpu = new X86Cpu(new X86CpuWiring
        {
            Index = 0,
            Memory = Space,
            Ports = Ports,
            Clock = _clock,
            LocalApic = Apic,
            Cpuid = policy,
            Hypercalls = Hypercalls,
        });
        _machine = new KvmMachine(_device, Space, policy, logsDirtyPages);
        TscOrigin = _device.TscOrigin;
        Engine = new KvmEngine(_cpu, _machine);
        Apic.Connect(this);
        _clock.Start();
    }

    public AddressSpace Space { get; } = new();

    public PortSpace Ports { get; } = new();

    public LocalApic Apic { get; }

    public KvmHypercallInterface Hypercalls { get; }

    public KvmEngine Engine { get; }

    /// <summary>For states: what the counter has to show at time zero.</summary>
    public ulong TscOrigin { get; }

    public KvmMachine Machine => _machine;

    public GuestMemory Memory => _memory;

    public X86Cpu Cpu => _cpu;

    public ref ulong Quad(ulong address) => ref *(ulong*)(_memory.Base + address);

    /// <summary>Assembles code at <see cref="Code"/>.</summary>
    public void Place(int bitness, Action<Assembler> emit) => Place(Code, bitness, emit);

    /// <summary>Assembles 64-bit code at an address.</summary>
    public void PlaceAt(ulong address, Action<Assembler> emit) => Place(address, 64, emit);

    private void Place(ulong address, int bitness, Action<Assembler> emit)
    {
        Assembler assembler = new(bitness);
        emit(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), address);
        stream.ToArray().CopyTo(_memory.Slice(address, (int)stream.Length));
    }

    public static X86CpuState RealMode()
    {
        X86CpuState state = X86CpuState.AtReset();
        state.Cs.Selector = 0;
        state.Cs.Base = 0;
        state.Rip = Code;
        state.Gprs[Gpr.Rsp] = Stack;
        return state;
    }

    /// <summary>64-bit mode at CPL 0, the first 4 MiB mapped one to one; vector 64 goes to <paramref name="handler"/>.</summary>
    public X86CpuState LongMode(ulong handler = 0)
    {
        Quad(PageTables) = (PageTables + 0x1000) | 3;
        Quad(PageTables + 0x1000) = (PageTables + 0x2000) | 3;
        Quad(PageTables + 0x2000) = 0x83;
        Quad(PageTables + 0x2008) = 0x200083;
        Quad(Gdt + 8) = 0x00AF9B000000FFFF;
        Quad(Gdt + 16) = 0x00CF93000000FFFF;
        Quad(Idt + (64 * 16)) = (handler & 0xFFFF) | (8UL << 16) | (0x8EUL << 40) | ((handler >> 16) << 48);
        X86CpuState state = X86CpuState.AtReset();
        state.TscOffset = TscOrigin;
        uint present = SegmentState.Present
            | SegmentState.NonSystem
            | SegmentState.Accessed
            | SegmentState.ReadableOrWritable
            | SegmentState.Granularity;
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index) = new SegmentState { Limit = uint.MaxValue, Attributes = present | SegmentState.Big, Selector = 0x10 };
        }

        state.Cs = new SegmentState { Limit = uint.MaxValue, Attributes = present | SegmentState.Code | SegmentState.Long, Selector = 8 };
        state.Cr0 = Cr0.PE | Cr0.PG | Cr0.NE | Cr0.ET | Cr0.MP | Cr0.WP;
        state.Cr3 = PageTables;
        state.Cr4 = Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        state.EferMsr = Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE;
        state.Idtr = new DescriptorTableRegister { Base = Idt, Limit = 0xFFF };
        state.Gdtr = new DescriptorTableRegister { Base = Gdt, Limit = 0x17 };
        state.Gprs[Gpr.Rsp] = Stack;
        state.Rip = Code;
        state.Fcw = 0x37F;
        state.Ftw = 0xFFFF;
        return state;
    }

    /// <summary>64-bit mode at CPL 3 with page faults leading to <paramref name="handler"/>; the first 2 MiB are the user's too.</summary>
    public X86CpuState UserMode(ulong handler)
    {
        X86CpuState state = LongMode();
        foreach (ulong table in (ulong[])[PageTables, PageTables + 0x1000, PageTables + 0x2000])
        {
            Quad(table) |= 4;
        }

        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index).Attributes |= 3u << SegmentState.DplShift;
            state.Segment(index).Selector = (ushort)(index == SegmentIndex.Cs ? 0x2B : 0x23);
        }

        Quad(Gdt + 0x20) = 0x00CFF3000000FFFF;
        Quad(Gdt + 0x28) = 0x00AFFB000000FFFF;
        Quad(Gdt + 0x30) = 0x00008B0000000067 | (Tss << 16);
        Quad(Tss + 4) = KernelStack;
        Quad(Idt + (14 * 16)) = (handler & 0xFFFF) | (8UL << 16) | (0x8EUL << 40) | ((handler >> 16) << 48);
        state.Idtr.Limit = (15 * 16) - 1;
        state.Gdtr.Limit = 0x3F;
        state.Tr = new SegmentState { Base = Tss, Limit = 0x67, Selector = 0x30, Attributes = SegmentState.Present | 11 };
        return state;
    }

    public void Kick() => Engine.Kick();

    public void SignalNmi()
    {
        _cpu.PostNmi();
        Engine.Kick();
    }

    public void SignalWake()
    {
        _cpu.PostWake();
        Engine.Kick();
    }

    public void SignalInit()
    {
        _cpu.PostInit();
        Engine.Kick();
    }

    public void SignalStartup(byte vector)
    {
        _cpu.PostStartup(vector);
        Engine.Kick();
    }

    public void Dispose()
    {
        Engine.Dispose();
        _machine.Dispose();
        _device.Dispose();
        Apic.Dispose();
        _cpu.Dispose();
        _clock.Dispose();
        _memory.Dispose();
    }
}
