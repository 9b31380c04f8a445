using Iced.Intel;
using Strata.Core.Bus;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.Core.Time;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Tests.Harness;

/// <summary>
/// An interpreter with page tables, GDT, IDT and TSS, in any mode and privilege. Memory is mapped one to one; pages from
/// <see cref="UserCode"/> up to <see cref="Tables"/> are user pages, the others supervisor pages. Every vector has a handler at
/// CPL 0 that halts: <see cref="Run"/> then reports the vector and the frame.
/// </summary>
public sealed unsafe partial class SystemMachine : IDisposable
{
    public const ulong Gdt = 0x3000;
    public const ulong Idt = 0x4000;
    public const ulong Tss = 0x5000;

    /// <summary>A second TSS for task switches; no descriptor points to it.</summary>
    public const ulong OtherTss = 0x5800;

    public const ulong Ldt = 0x5C00;

    /// <summary>16 bytes a vector.</summary>
    public const ulong Handlers = 0x6000;

    public const ulong Code = 0x8000;

    /// <summary>Stack of the starting state at CPL 0, growing down.</summary>
    public const ulong Stack = 0xC000;

    /// <summary>RSP0 of the TSS.</summary>
    public const ulong InnerStack = 0xE000;

    /// <summary>Supervisor data.</summary>
    public const ulong Data = 0x10000;

    public const ulong UserCode = 0x40000;
    public const ulong UserStack = 0x4C000;
    public const ulong UserData = 0x50000;

    /// <summary>Page tables; supervisor pages from here on.</summary>
    public const ulong Tables = 0x80000;

    private const ulong MemorySize = 16 << 20;
    private readonly GuestMemory _memory;
    private readonly IX86Engine _engine;
    private readonly GuestMode _mode;
    private readonly GuestPaging _paging;

    /// <param name="createEngine">Makes the engine under test; <see cref="EngineFactory"/> if null.</param>
    /// <param name="memorySize">Bytes; the page tables map the first 2 MiB.</param>
    public SystemMachine(
        GuestMode mode, int cpl = 0, GuestPaging paging = GuestPaging.Off, Func<X86CpuWiring, IX86Engine>? createEngine = null,
        ulong memorySize = MemorySize)
    {
        AddressSpace space = new();
        _memory = new GuestMemory(memorySize);
        space.MapRam(0, _memory, 0, memorySize);
        X86CpuWiring wiring = new()
        {
            Index = 0,
            Memory = space,
            Ports = new PortSpace(),
            Clock = new ManualClock(),
            LocalApic = Apic,
            Random = () => Random += 0x9E37_79B9_7F4A_7C15,
        };
        _engine = createEngine == null ? EngineFactory.Create(wiring) : createEngine(wiring);
        _mode = mode;
        _paging = mode is GuestMode.Long or GuestMode.Compatibility ? GuestPaging.FourLevel : paging;
        BuildDescriptors();
        BuildPageTables();
        BuildState(cpl);
        Entry = cpl == 3 || mode == GuestMode.Virtual8086 ? UserCode : Code;
    }

    /// <summary>Loaded by <see cref="Run"/> and read back after it.</summary>
    public X86CpuState State;

    public SingleInterrupt Apic { get; } = new();

    /// <summary>What RDRAND and RDSEED gave last; they count from here.</summary>
    public ulong Random { get; set; }

    public X86Cpu Cpu => _engine.Cpu;

    public IX86Engine Engine => _engine;

    public GuestMemory Memory => _memory;

    /// <summary>Vector whose handler ended <see cref="Run"/>; −1 if the program halted itself.</summary>
    public int Vector { get; private set; } = -1;

    /// <summary>The frame of <see cref="Vector"/>.</summary>
    public ExceptionFrame Frame { get; private set; }

    public VcpuStop Stop { get; private set; }

    /// <summary>Where <see cref="Start"/> placed the program.</summary>
    public ulong Entry { get; }

    private int Bitness => _mode switch { GuestMode.Long => 64, GuestMode.Protected32 or GuestMode.Compatibility => 32, _ => 16 };

    public byte* At(ulong address) => _memory.Base + address;

    public ref ulong Quad(ulong address) => ref *(ulong*)At(address);

    public ref uint Dword(ulong address) => ref *(uint*)At(address);

    public ref ushort Word(ulong address) => ref *(ushort*)At(address);

    /// <summary>Assembles code of the starting mode at a physical address, HLT behind it.</summary>
    public ulong Place(ulong address, Action<Assembler> emit, int? bitness = null)
    {
        Assembler assembler = new(bitness ?? Bitness);
        emit(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), address - (bitness == null ? State.Cs.Base : 0));
        return PlaceBytes(address, stream.ToArray());
    }

    /// <summary>Places bytes and a HLT behind them.</summary>
    /// <returns>Address of the HLT.</returns>
    public ulong PlaceBytes(ulong address, ReadOnlySpan<byte> code)
    {
        code.CopyTo(_memory.Slice(address, code.Length));
        ulong end = address + (ulong)code.Length;
        *At(end) = 0xF4;
        _memory.InvalidateCode(address >> GuestMemory.PageShift);
        return end;
    }

    /// <summary>Assembles the program at <see cref="Entry"/> and runs it.</summary>
    public void Start(Action<Assembler> emit)
    {
        Place(Entry, emit);
        Run();
    }

    /// <summary>Runs from State.Rip to the next HLT or to shutdown.</summary>
    public void Run()
    {
        State.Activity = ActivityState.Running;
        Cpu.SetState(State);
        Continue();
    }

    /// <summary>Runs a program of any length from State.Rip to its HLT, or until a kick.</summary>
    public void RunToEnd()
    {
        Cpu.SetState(State);
        GoOnToEnd();
    }

    /// <summary>The same from where the last run left it.</summary>
    public void GoOnToEnd()
    {
        do
        {
            Stop = _engine.Run(10_000_000);
        }
        while (Stop == VcpuStop.BudgetSpent);

        Cpu.GetState(out State);
    }

    /// <summary>Goes on without reloading the state, as after an event that ends HLT.</summary>
    public void Continue()
    {
        Stop = _engine.Run(1_000_000);
        Assert.NotEqual(VcpuStop.BudgetSpent, Stop);
        Cpu.GetState(out State);
        ulong at = State.Cs.Base + State.Rip - 1;
        Vector = Stop == VcpuStop.Halted && at is >= Handlers and < Handlers + 0x1000 ? (int)((at - Handlers) / 16) : -1;
        Frame = Vector < 0 ? default : ReadFrame();
    }

    public void Dispose()
    {
        _engine.Dispose();
        _memory.Dispose();
    }

    /// <summary>Asserts the vector, the error code and the saved RIP of the event that ended the run.</summary>
    public void AssertEvent(ExceptionVector vector, uint? errorCode, ulong rip)
    {
        Assert.Equal((vector, errorCode, rip), ((ExceptionVector)Vector, Frame.ErrorCode, Frame.Rip));
    }

    /// <summary>Asserts a fault of the first instruction.</summary>
    public void AssertFault(ExceptionVector vector, uint? errorCode = null) => AssertEvent(vector, errorCode, Entry - BaseOfEntry);

    /// <summary>Asserts that the program reached its own HLT.</summary>
    public void AssertNoEvent() => Assert.Equal((-1, VcpuStop.Halted), (Vector, Stop));

    private ulong BaseOfEntry => _mode is GuestMode.Virtual8086 ? UserCode : 0;

    private ExceptionFrame ReadFrame()
    {
        bool hasError = _mode != GuestMode.Real && Vector is 8 or (>= 10 and <= 14) or 17;
        int size = (State.Cr0 & Cr0.PE) == 0 ? 2 : (State.Cs.Attributes & SegmentState.Long) != 0 ? 8 : 4;
        ulong at = State.Ss.Base + ((State.Ss.Attributes & SegmentState.Big) != 0 || size == 8
            ? State.Gprs[Gpr.Rsp]
            : (ushort)State.Gprs[Gpr.Rsp]);
        hasError &= size != 2;
        ulong Next()
        {
            ulong value = Quad(at) & (size == 8 ? ulong.MaxValue : (1UL << (size * 8)) - 1);
            at += (ulong)size;
            return value;
        }

        uint? error = hasError ? (uint)Next() : null;
        ulong rip = Next();
        ushort cs = (ushort)Next();
        ulong flags = Next();
        bool hasStack = size == 8 || (size == 4 && ((cs & 3) != State.Ss.Dpl || (flags & RFlags.VM) != 0));
        return new ExceptionFrame(error, rip, cs, flags, hasStack ? Next() : 0, hasStack ? (ushort)Next() : (ushort)0);
    }
}
