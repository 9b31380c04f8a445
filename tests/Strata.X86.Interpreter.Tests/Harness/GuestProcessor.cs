using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Cpuid;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>
/// An interpreter with 4 MiB of memory, in 64-bit mode at CPL 0 with memory mapped one to one: the counterpart of
/// <see cref="Strata.X86.Tests.HostCpu.HostInstruction"/>. Every exception vector has a handler that halts, so that a fault is
/// seen as <see cref="Fault"/>.
/// </summary>
public sealed unsafe class GuestProcessor : IDisposable
{
    /// <summary>Scratch memory for operands.</summary>
    public const ulong Data = 0x10000;

    /// <summary>Code is placed from here on.</summary>
    public const ulong Code = 0x100000;

    public const ulong Stack = 0x80000;

    private const ulong MemorySize = 4 << 20;
    private const ulong PageTables = 0x1000;
    private const ulong Idt = 0x4000;
    private const ulong Gdt = 0x5000;
    private const ulong Handlers = 0x6000;
    private readonly GuestMemory _memory = new(MemorySize);
    private readonly IX86Engine _engine;

    /// <param name="cpu">What a guest is offered, by name.</param>
    public GuestProcessor(Action? x87Error = null, string cpu = CpuModel.V2Name)
    {
        Assert.True(CpuModel.TryParse(cpu, out CpuModel? model));
        AddressSpace space = new();
        space.MapRam(0, _memory, 0, MemorySize);
        _engine = EngineFactory.Create(new X86CpuWiring
        {
            Index = 0,
            Memory = space,
            Ports = new PortSpace(),
            Clock = new ManualClock(),
            X87Error = x87Error,
            Cpuid = new CpuidPolicy { Model = model! },
        });
        BuildTables();
        State = LongMode();
    }

    /// <summary>Loaded by <see cref="Run"/> and read back after it.</summary>
    public X86CpuState State;

    /// <summary>Vector of the exception that ended <see cref="Run"/>, or −1.</summary>
    public int Fault { get; private set; } = -1;

    public byte* At(ulong address) => _memory.Base + address;

    /// <summary>Places code followed by HLT.</summary>
    public void Place(ulong address, ReadOnlySpan<byte> code)
    {
        code.CopyTo(_memory.Slice(address, code.Length));
        *At(address + (ulong)code.Length) = 0xF4;
        _memory.InvalidateCode(address >> GuestMemory.PageShift);
    }

    /// <summary>Runs from State.Rip to the next HLT.</summary>
    public void Run()
    {
        State.Activity = ActivityState.Running;
        _engine.Cpu.SetState(State);
        VcpuStop stop = _engine.Run(1_000_000);
        Assert.Equal(VcpuStop.Halted, stop);
        _engine.Cpu.GetState(out State);
        ulong at = State.Rip - 1;
        Fault = at is >= Handlers and < Handlers + 0x1000 ? (int)((at - Handlers) / 16) : -1;
    }

    public void Dispose()
    {
        _engine.Dispose();
        _memory.Dispose();
    }

    /// <summary>A fresh state for <see cref="State"/>: RBX = <see cref="Data"/>, RIP = <see cref="Code"/>.</summary>
    public static X86CpuState LongMode()
    {
        X86CpuState state = X86CpuState.AtReset();
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
        state.Rflags = 0x202;
        state.Gprs[Gpr.Rbx] = Data;
        state.Gprs[Gpr.Rsp] = Stack;
        state.Rip = Code;
        state.Fcw = 0x37F;
        state.Ftw = 0xFFFF;
        return state;
    }

    private void BuildTables()
    {
        *(ulong*)At(PageTables) = (PageTables + 0x1000) | 3;
        *(ulong*)At(PageTables + 0x1000) = (PageTables + 0x2000) | 3;
        *(ulong*)At(PageTables + 0x2000) = 0x83;
        *(ulong*)At(PageTables + 0x2008) = 0x200083;
        *(ulong*)At(Gdt + 8) = 0x00AF9B000000FFFF;
        *(ulong*)At(Gdt + 16) = 0x00CF93000000FFFF;
        for (ulong vector = 0; vector < 256; vector++)
        {
            ulong handler = Handlers + (vector * 16);
            *At(handler) = 0xF4;
            *(ulong*)At(Idt + (vector * 16)) = (handler & 0xFFFF) | (8UL << 16) | (0x8EUL << 40) | ((handler >> 16) << 48);
        }
    }
}
