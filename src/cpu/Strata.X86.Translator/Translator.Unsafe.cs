using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator;

/// <summary>
/// Dynamic binary translation from x86 to x86-64: guest code of every mode becomes host code with guest registers in host registers and
/// an inline software TLB. Everything else, instruction by instruction, is the interpreter's.
/// <para>Threads: <see cref="Run"/> on the vCPU's thread; <see cref="Kick"/> on any.</para>
/// </summary>
public sealed unsafe partial class Translator : IBlockEngine, ICodeKeeper
{
    /// <summary>Instructions the interpreter runs in one go while the mode is not translated.</summary>
    private const long InterpretedSlice = 10_000;

    /// <summary>What an exit counts for in the budget: translated instructions are not counted.</summary>
    private const long ExitCost = 100;

    private const uint DefaultMxcsr = 0x1F80;
    private const uint MxcsrMasks = 0x1F80;
    private const ulong AvxState = 6; // XCR0: SSE and AVX

    private readonly Interpreter.Interpreter _interpreter;
    private readonly VcpuContext* _context;
    private readonly Bridge* _bridge;
    private readonly TranslationCache _cache;
    private readonly CodeSegments _segments;
    private readonly bool _counting;
    private readonly Salts _salts;
    private readonly Gates _gates;
    private readonly BlockLookup _blocks;
    private readonly X87Home _x87;
    private readonly bool _ownsCpu;
    private readonly RamWindows? _windows;
    private Emit.Stubs _stubs; // of the present mode
    private long _executed;
    private IUserCode? _userCode;
    private long _invalidations; // pages of code that were written

    /// <param name="wiring">The engine makes the processor and disposes it.</param>
    /// <exception cref="PlatformNotSupportedException">The host is no x64 Linux, or forbids executable memory.</exception>
    public Translator(X86CpuWiring wiring, TranslatorOptions options)
        : this(new X86Cpu(wiring), options) => _ownsCpu = true;

    /// <param name="cpu">The processor as another engine left it; not disposed with the engine.</param>
    /// <exception cref="PlatformNotSupportedException">The host is no x64 Linux, or forbids executable memory.</exception>
    public Translator(X86Cpu cpu, TranslatorOptions options)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(options);
        if (!IsSupported)
        {
            throw new PlatformNotSupportedException("The translator needs an x64 Linux host. Use --engine interpreter.");
        }

        _counting = options.CountInstructions;
        _interpreter = new Interpreter.Interpreter(cpu)
        {
            PageInvalidated = OnPageInvalidated,
            MapTaken = OnMapTaken,
            CountsExactly = _counting,
        };
        _context = Cpu.Context;
        Counters = new TranslatorCounters { Interpreted = _interpreter.SteppedByCode };
        _windows = RamWindows.Of(cpu.Memory.Current);
        _segments = new CodeSegments(_context);
        _cache = new TranslationCache(options, cpu.Wiring.Index, cpu.Tlb.Layout, _windows, _segments);

        // SAFETY: freed in Dispose.
        _bridge = (Bridge*)NativeMemory.AlignedAlloc((nuint)sizeof(Bridge), 64);
        NativeMemory.Clear(_bridge, (nuint)sizeof(Bridge));
        _bridge->Context = _context;
        _bridge->RealIds = _segments.RealIds;
        _bridge->Attention = &_context->Attention;
        _bridge->HostMxcsr = DefaultMxcsr;
        _salts = new Salts(_cache, Cpu.Tlb);
        _gates = new Gates(Cpu, _bridge, _salts);
        _blocks = new BlockLookup(Cpu, _cache, _salts, Counters, options);
        CodeIdentity = IdentityOf(options);
        _x87 = new X87Home(_context, _bridge);
        _stubs = _cache.Stubs;
    }

    /// <summary>Whether this host can run the engine.</summary>
    public static bool IsSupported =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Sse2.IsSupported;

    public int Index => _interpreter.Index;

    public X86Cpu Cpu => _interpreter.Cpu;

    /// <summary>Exact with <see cref="TranslatorOptions.CountInstructions"/>; else interpreted instructions only.</summary>
    public long InstructionsExecuted => _counting ? Volatile.Read(ref _executed) : _interpreter.InstructionsExecuted;

    /// <summary>
    /// Instructions that translated code would execute from here as one block; 1 where the next instruction is the interpreter's.
    /// While <see cref="Run"/> is not active.
    /// </summary>
    public int NextBlockLength
    {
        get
        {
            TranslatedBlock* block = _blocks.Mode == CodeMode.None ? null : _blocks.Find(_context->State.Rip);
            return block == null ? 1 : Math.Max(1, (int)block->Count);
        }
    }

    public ReadOnlyMemory<byte> CodeIdentity { get; }

    /// <summary>The <see cref="CodeIdentity"/> of a translator with these options on this host.</summary>
    public static ReadOnlyMemory<byte> IdentityOf(TranslatorOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Keeping.CodeIdentity.Of(options);
    }

    /// <summary>Gives user code to somebody else to execute, who says when. While <see cref="Run"/> is not active.</summary>
    /// <param name="userCode">Null for nobody.</param>
    public void GiveUserCodeTo(IUserCode? userCode)
    {
        _userCode = userCode;
        _interpreter.AttentionAsked = userCode is null ? null : userCode.Interrupt;
    }

    /// <summary>What the engine has done so far.</summary>
    public TranslatorCounters Counters { get; }

    public string DescribeCounters() => Counters.Describe();

    public VcpuStop Run(long instructionBudget)
    {
        _interpreter.BindThread();
        _interpreter.EnterGuest();
        try
        {
            long left = instructionBudget;
            VcpuStop stop = RunUntilSpent(ref left);
            _executed += instructionBudget - left;
            (Counters.VictimsReturned, Counters.Walks) = (_bridge->VictimsReturned, _bridge->Walks);
            Counters.SecondFinds = _bridge->SecondFinds;
            _x87.Sync(); // completes the state for whoever looks at it between runs
            return stop;
        }
        finally
        {
            _interpreter.LeaveGuest();
        }
    }

    /// <summary>One instruction, on the interpreter, with what it raises: for <see cref="IUserCode"/>, inside of its run.</summary>
    public void ExecuteOne() => Interpret();

    public ICodeCapture CaptureCode(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _interpreter.ServeRequests(); // what was written last is no code of this moment
        return new Keeping.CodeCapture(_cache, memory);
    }

    public void Kick() => _interpreter.Kick();

    public void Dispose()
    {
        _interpreter.Dispose();
        _cache.Dispose();
        _segments.Dispose();
        NativeMemory.AlignedFree(_bridge);
        if (_ownsCpu)
        {
            Cpu.Dispose();
        }
    }

    private VcpuStop RunUntilSpent(ref long left)
    {
        while (left > 0)
        {
            if (Volatile.Read(ref _context->Attention) != 0)
            {
                _userCode?.Sample(_bridge->UserReturns);
                if (!_interpreter.Attend())
                {
                    return VcpuStop.Kicked;
                }
            }

            if (_context->State.Activity != ActivityState.Running && !Cpu.TryWake())
            {
                return _context->State.Activity == ActivityState.Shutdown ? VcpuStop.Shutdown : VcpuStop.Halted;
            }

            Cpu.DeliverInterrupts();
            if (_context->State.Activity != ActivityState.Running)
            {
                continue; // the delivery has shut the processor down
            }

            if (Cpu.IsUserCodeHeld)
            {
                return VcpuStop.Halted;
            }

            if (_blocks.Mode == CodeMode.None)
            {
                _x87.Sync();
                long before = _interpreter.InstructionsExecuted;
                VcpuStop stop = _interpreter.RunInside(Math.Min(left, InterpretedSlice));
                left -= _counting ? _interpreter.InstructionsExecuted - before : InterpretedSlice;
                if (stop != VcpuStop.BudgetSpent)
                {
                    return stop;
                }
            }
            else if (Cpu.NeedsSlowStep || _context->State.Shadow != InterruptShadow.None)
            {
                Interpret();
                left--;
            }
            else if (IsOthers)
            {
                _x87.Sync();
                _userCode!.Run();
                left -= ExitCost;
            }
            else
            {
                uint slice = (uint)Math.Min(left, int.MaxValue);
                _bridge->Left = slice;
                RunTranslated();
                left -= _counting ? slice - _bridge->Left : ExitCost;
            }
        }

        return VcpuStop.BudgetSpent;
    }

    /// <summary>User code is next, and somebody else executes it.</summary>
    private bool IsOthers => _userCode is { } userCode && _context->Cpl == 3 && userCode.Takes();

    /// <summary>Translated code from State.Rip on, until something other than the plain continuation is due.</summary>
    private void RunTranslated()
    {
        byte* target = _blocks.FindEntry(_context->State.Rip);
        if (target == null)
        {
            Interpret();
            return;
        }

        PrepareEntry();
        _bridge->Value = _blocks.ToLinear(_context->State.Rip) ^ _bridge->Salt;
        while (target != null)
        {
            _stubs.Enter(_bridge, target);
            target = ServeExit();
        }
    }

    /// <summary>Everything translated code finds in its frame, from the state.</summary>
    private void PrepareEntry()
    {
        ref X86CpuState s = ref _context->State;
        ulong flags = LazyFlags.ToRflags(_context->LazyResult, _context->LazyAux);
        _bridge->Flags = ((flags & 0xD5) << 8) | (flags >> 11);
        _bridge->FsBase = s.Fs.Base;
        _bridge->GsBase = s.Gs.Base;
        _bridge->Tlb = (ulong)_context->Tlb;
        _bridge->SystemFlags = s.Rflags & ~RFlags.Arithmetic;
        _bridge->Cpl = _context->Cpl;
        _bridge->Waiting = Cpu.IsEventWaiting ? 1u : 0;
        switch (_blocks.Mode)
        {
            case CodeMode.Code32:
                _bridge->FsAllowed = IsPlain(s.Fs) ? 1u : 0;
                _bridge->GsAllowed = IsPlain(s.Gs) ? 1u : 0;
                break;
            case CodeMode.Code16 or CodeMode.Segmented32:
                PrepareSegments();
                break;
        }

        _bridge->WalkRights = WalkRights(in s);
        _bridge->WalkForm = (s.Cr4 & Cr4.PAE) == 0 ? WalkForm.Legacy : (s.EferMsr & Efer.LMA) != 0 ? WalkForm.FourLevel : WalkForm.Pae;
        _bridge->WalkReserved = WalkReserved(in s);
        UseSalt();
        bool noTrap = (s.Cr0 & (Cr0.EM | Cr0.TS)) == 0;
        _bridge->VectorsAllowed = noTrap && (s.Cr4 & Cr4.OSFXSR) != 0 && (s.Mxcsr & MxcsrMasks) == MxcsrMasks ? 1u : 0;
        bool hasAvx = (s.Cr4 & Cr4.OSXSAVE) != 0 && (s.Xcr0 & AvxState) == AvxState;
        _bridge->AvxAllowed = hasAvx ? _bridge->VectorsAllowed : 0;
        _bridge->X87Allowed = noTrap && _x87.IsInImage ? 1u : 0;
        _bridge->ResumeVectors = _bridge->ResumeX87 = 0;
    }

    /// <summary><see cref="Bridge.WalkReserved"/>, as <see cref="PageWalker"/> has them.</summary>
    private static ulong WalkReserved(in X86CpuState s)
    {
        const ulong beyondAddress = ((1UL << 52) - 1) & ~((1UL << PageWalker.PhysicalAddressBits) - 1);
        const ulong availableInLongMode = 0x7FFUL << 52;
        const ulong noExecute = 1UL << 63;
        const ulong largeWithoutItsExtension = 0x80; // it is ignored, which is the model's affair
        if ((s.Cr4 & Cr4.PAE) == 0)
        {
            return (s.Cr4 & Cr4.PSE) == 0 ? largeWithoutItsExtension : 0;
        }

        return beyondAddress | ((s.EferMsr & Efer.LMA) == 0 ? availableInLongMode : 0) | ((s.EferMsr & Efer.NXE) == 0 ? noExecute : 0);
    }

    /// <summary><see cref="Bridge.WalkRights"/>: whatever the form of the tables.</summary>
    private uint WalkRights(in X86CpuState s)
    {
        const int user = 1;
        if (_windows is null || (s.Cr0 & Cr0.PG) == 0)
        {
            return 0;
        }

        uint rights = Right(TlbPrivilege.Supervisor, 0) | Right(TlbPrivilege.User, user)
            | Right(TlbPrivilege.SupervisorUserAccess, 0) | Right(TlbPrivilege.SupervisorUserAccess, user);
        return (s.Cr4 & Cr4.SMAP) != 0 ? rights : rights | Right(TlbPrivilege.Supervisor, user);

        static uint Right(TlbPrivilege privilege, int page) => 1u << (((int)privilege << 1) + page);
    }

    /// <summary>32-bit code may read and write through a segment wherever its base is, without a check.</summary>
    private static bool IsPlain(in SegmentState segment)
    {
        const uint rights = SegmentState.Code | SegmentState.ConformingOrExpandDown | SegmentState.ReadableOrWritable;
        return segment.IsUsable && segment.Limit == uint.MaxValue && (segment.Attributes & rights) == SegmentState.ReadableOrWritable;
    }

    /// <summary>What depends on the address space and its translations: they may have changed since translated code was left.</summary>
    private void UseSalt()
    {
        CodeMode mode = _blocks.Mode;
        _stubs = mode.IsSegmented() ? _cache.SegmentedStubs : _cache.Stubs;
        _bridge->Salt = _salts.Of(_blocks.IsUser, mode, _blocks.Segment, out JumpEntry* jumps);
        _bridge->JumpTable = jumps;
        _gates.Update(_userCode is { IsAskedAlways: true });
    }

    private void OnMapTaken() => _windows?.Update(Cpu.Memory.Current);

    private void OnPageInvalidated(nint page)
    {
        _invalidations++;
        _cache.Invalidate((byte*)page);
    }

    /// <summary>One instruction by the interpreter.</summary>
    private void Interpret()
    {
        _x87.Sync();
        _bridge->Left--;
        _interpreter.Step();
    }
}
