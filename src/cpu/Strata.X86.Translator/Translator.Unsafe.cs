using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Strata.Core.Execution;
using Strata.Core.Memory;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>
/// Dynamic binary translation from x86 to x86-64: guest code in 64-bit mode, and 32-bit code with flat segments, becomes host code
/// with guest registers in host registers and an inline software TLB. Everything else, instruction by instruction or mode by mode, is
/// the interpreter's.
/// <para>Threads: <see cref="Run"/> on the vCPU's thread; <see cref="Kick"/> on any.</para>
/// </summary>
public sealed unsafe class Translator : IBlockEngine
{
    /// <summary>Instructions the interpreter runs in one go while the mode is not translated.</summary>
    private const long InterpretedSlice = 10_000;

    /// <summary>What an exit counts for in the budget: translated instructions are not counted.</summary>
    private const long ExitCost = 100;

    private const int LongestInstruction = 15;

    /// <summary>Where an instruction of 32-bit code can start without going on at address 0: what is above is the interpreter's.</summary>
    private const ulong LastStart32 = uint.MaxValue - LongestInstruction;
    private const int MaxRetries = 4;
    private const uint DefaultMxcsr = 0x1F80;
    private const uint MxcsrMasks = 0x1F80;
    private const ushort X87Masks = 0x3F;
    private const ushort X87ErrorSummary = 0x80;

    private readonly Interpreter.Interpreter _interpreter;
    private readonly VcpuContext* _context;
    private readonly Bridge* _bridge;
    private readonly TranslationCache _cache;
    private readonly bool _counting;
    private readonly bool _isOnlyProcessor;
    private readonly Salts _salts;
    private readonly Gates _gates;
    private long _executed;
    private ulong _retriedRip;
    private int _retries;
    private bool _x87InImage;
    private readonly bool _ownsCpu;

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
        _isOnlyProcessor = options.IsOnlyProcessor;
        _interpreter = new Interpreter.Interpreter(cpu) { PageInvalidated = OnPageInvalidated, CountsExactly = _counting };
        _context = Cpu.Context;
        Counters = new TranslatorCounters { Interpreted = _interpreter.SteppedByCode };
        _cache = new TranslationCache(options, cpu.Wiring.Index);

        // SAFETY: freed in Dispose.
        _bridge = (Bridge*)NativeMemory.AlignedAlloc((nuint)sizeof(Bridge), 64);
        NativeMemory.Clear(_bridge, (nuint)sizeof(Bridge));
        _bridge->Context = _context;
        _bridge->Attention = &_context->Attention;
        _bridge->HostMxcsr = DefaultMxcsr;
        _salts = new Salts(_cache, Cpu.Tlb);
        _gates = new Gates(Cpu, _bridge, _salts);
    }

    /// <summary>Whether this host can run the engine.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Sse2.IsSupported;

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
            TranslatedBlock* block = Mode == CodeMode.None ? null : FindBlock(_context->State.Rip);
            return block == null ? 1 : Math.Max(1, (int)block->Count);
        }
    }

    /// <summary>What the engine has done so far.</summary>
    public TranslatorCounters Counters { get; }

    public string DescribeCounters() => Counters.Describe();

    public VcpuStop Run(long instructionBudget)
    {
        _interpreter.BindThread();
        long left = instructionBudget;
        VcpuStop stop = RunUntilSpent(ref left);
        _executed += instructionBudget - left;
        SyncX87(); // completes the state for whoever looks at it between runs
        return stop;
    }

    public void Kick() => _interpreter.Kick();

    public void Dispose()
    {
        _interpreter.Dispose();
        _cache.Dispose();
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
            if (Volatile.Read(ref _context->Attention) != 0 && !_interpreter.Attend())
            {
                return VcpuStop.Kicked;
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

            if (Mode == CodeMode.None)
            {
                SyncX87();
                long before = _interpreter.InstructionsExecuted;
                VcpuStop stop = _interpreter.Run(Math.Min(left, InterpretedSlice));
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

    /// <summary>Translated code from State.Rip on, until something other than the plain continuation is due.</summary>
    private void RunTranslated()
    {
        byte* target = FindEntry(_context->State.Rip);
        if (target == null)
        {
            Interpret();
            return;
        }

        PrepareEntry();
        while (target != null)
        {
            _cache.Stubs.Enter(_bridge, target);
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
        if (Mode == CodeMode.Code32)
        {
            _bridge->FsAllowed = IsPlain(s.Fs) ? 1u : 0;
            _bridge->GsAllowed = IsPlain(s.Gs) ? 1u : 0;
        }

        UseSalt();
        bool noTrap = (s.Cr0 & (Cr0.EM | Cr0.TS)) == 0;
        _bridge->VectorsAllowed = noTrap && (s.Cr4 & Cr4.OSFXSR) != 0 && (s.Mxcsr & MxcsrMasks) == MxcsrMasks ? 1u : 0;
        _bridge->X87Allowed = noTrap && _x87InImage ? 1u : 0;
        _bridge->ResumeVectors = _bridge->ResumeX87 = 0;
    }

    /// <summary>The flags are in the bridge after translated code has run: makes them the context's.</summary>
    private void TakeFlags()
    {
        ulong word = _bridge->Flags;
        (_context->LazyResult, _context->LazyAux) = LazyFlags.FromRflags(((word >> 8) & 0xD5) | ((word & 1) << 11));
    }

    /// <summary>Deals with one exit.</summary>
    /// <returns>Where to enter translated code again, or null to go through the main loop.</returns>
    private byte* ServeExit()
    {
        Site* site = _cache.SiteAt(_bridge->Site);
        Counters.Count(site->Kind);
        _bridge->Left += (uint)(site->Block->Count - site->Completed); // the head took the whole block's from the budget
        _x87InImage |= _bridge->X87Saved != 0;
        switch (site->Kind)
        {
            case SiteKind.Link:
                return Link(site);
            case SiteKind.Dispatch:
                return Dispatch(site);
            case SiteKind.Access:
                return MakeAccessible(site);
            case SiteKind.X87 when TryPrepareX87():
                return site->Block->Entry;
            case SiteKind.Attention:
                return Stop(site->Rip);
            case SiteKind.Budget:
                return _bridge->Left == 0
                    ? Stop(site->Rip)
                    : Resume(_cache.TranslatePart(site->Block->HostPage, site->Rip, Mode, OmitsLocks, _context->State.Gprs, (int)_bridge->Left));
            default:
                return Execute(site);
        }
    }

    private byte* Stop(ulong rip)
    {
        TakeFlags();
        _context->State.Rip = rip;
        return null;
    }

    /// <summary>The instruction of a site that is not translated: some frequent ones at once, the others by the interpreter.</summary>
    private byte* Execute(Site* site)
    {
        if (_counting && _bridge->Left == 0)
        {
            return Stop(site->Rip);
        }

        ref X86CpuState s = ref _context->State;
        if (site->Code == (ushort)Code.Rdtsc && (_context->Cpl == 0 || (s.Cr4 & Cr4.TSD) == 0))
        {
            return ReadTsc(site);
        }

        TakeFlags();
        _context->InstructionRip = site->Rip;
        _bridge->Left--;
        s.Rip = (site->Rip + site->Length) & RipMask;
        bool done;
        switch ((Code)site->Code)
        {
            case Code.Syscall:
                done = Cpu.TrySyscall();
                break;
            case Code.Sysretq:
                done = Cpu.TrySysret(to64Bit: true);
                break;
            default:
                s.Rip = site->Rip;
                _bridge->Left++;
                Interpret();
                done = true;
                break;
        }

        if (!done)
        {
            Cpu.DeliverPendingException();
            return null;
        }

        return Continue();
    }

    /// <summary>RDTSC changes nothing but two registers: everything else stays in the bridge as it is.</summary>
    private byte* ReadTsc(Site* site)
    {
        ref X86CpuState s = ref _context->State;
        ulong tsc = Cpu.ReadTsc();
        s.Gprs[Gpr.Rax] = (uint)tsc;
        s.Gprs[Gpr.Rdx] = tsc >> 32;
        _bridge->Left--;
        ulong next = site->Rip + site->Length;
        byte* entry = Volatile.Read(ref _context->Attention) == 0 ? FindEntry(next) : null;
        return entry == null ? Stop(next) : Resume(entry);
    }

    /// <summary>After an instruction executed here: back into translated code if nothing else is due.</summary>
    private byte* Continue()
    {
        ref X86CpuState s = ref _context->State;
        if (Volatile.Read(ref _context->Attention) != 0 || s.Activity != ActivityState.Running || s.Shadow != InterruptShadow.None
            || Mode == CodeMode.None || Cpu.NeedsSlowStep || Cpu.IsEventDue)
        {
            return null;
        }

        byte* target = FindEntry(s.Rip);
        if (target != null)
        {
            PrepareEntry();
        }

        return target;
    }

    private bool IsUser => (_context->Mode & ModeBits.User) != 0;

    private bool OmitsLocks => _isOnlyProcessor && IsUser;

    private CodeMode Mode => CodeModes.Of(_context->Mode);

    /// <summary>Bits that RIP and linear addresses have in the current mode.</summary>
    private ulong RipMask => Mode == CodeMode.Code32 ? uint.MaxValue : ulong.MaxValue;

    /// <summary>32-bit code may read and write through a segment wherever its base is, without a check.</summary>
    private static bool IsPlain(in SegmentState segment)
    {
        const uint rights = SegmentState.Code | SegmentState.ConformingOrExpandDown | SegmentState.ReadableOrWritable;
        return segment.IsUsable && segment.Limit == uint.MaxValue && (segment.Attributes & rights) == SegmentState.ReadableOrWritable;
    }

    /// <summary>What depends on the address space and its translations: they may have changed since translated code was left.</summary>
    private void UseSalt()
    {
        _bridge->Salt = _salts.Of(IsUser, Mode, out JumpEntry* jumps);
        _bridge->JumpTable = jumps;
        _gates.Update();
    }

    private void OnPageInvalidated(nint page)
    {
        if (!_cache.Invalidate((byte*)page))
        {
            Cpu.Tlb.RenewCodeEpochs();
        }
    }

    /// <summary>Code for a RIP: by the jump table, or translated and put there.</summary>
    /// <returns>Null if there is no code in RAM: the interpreter sees to it.</returns>
    private byte* FindEntry(ulong rip)
    {
        ulong tag = rip ^ _salts.Of(IsUser, Mode, out JumpEntry* jumps);
        JumpEntry* entry = jumps + JumpEntry.IndexOf(rip);
        if (entry->Tag == tag)
        {
            return entry->Target;
        }

        TranslatedBlock* block = FindBlock(rip);
        if (block == null)
        {
            return null;
        }

        tag = rip ^ _salts.Of(IsUser, Mode, out jumps); // translation may have changed it
        TranslationCache.Enter(jumps + JumpEntry.IndexOf(rip), tag, block);
        Cpu.Tlb.NoteCodePage(rip);
        if (block->SecondPage != null)
        {
            Cpu.Tlb.NoteCodePage(NextPage(rip));
        }

        return block->Entry;
    }

    private byte* Link(Site* site)
    {
        ulong rip = site->Rip; // finding a block may reuse the site
        byte* place = site->Resume;
        bool forward = site->IsForward;
        if (Volatile.Read(ref _context->Attention) == 0)
        {
            long generation = _cache.Generation;
            TranslatedBlock* block = FindBlock(rip);
            if (block != null)
            {
                if (generation == _cache.Generation)
                {
                    Counters.Links++;
                    Emit.HostAssembler.Patch(place, block->TableEntry != null ? block->TableEntry : forward ? block->ForwardEntry : block->Entry);
                }

                return Resume(block->Entry);
            }
        }

        return Stop(rip);
    }

    private byte* Dispatch(Site* site)
    {
        ulong target = _bridge->Value ^ _bridge->Salt;
        if (!Cpu.IsCanonical(target))
        {
            _bridge->Left++; // the branch itself, which faults, is executed again
            TakeFlags();
            _context->State.Gprs[Gpr.Rsp] += (ulong)(long)site->StackUndo;
            _context->State.Rip = site->Rip;
            Interpret();
            return null;
        }

        if (Volatile.Read(ref _context->Attention) == 0)
        {
            byte* entry = FindEntry(target);
            if (entry != null)
            {
                return Resume(entry);
            }
        }

        return Stop(target);
    }

    /// <summary>A TLB miss: fills the TLB and retries, or delivers the fault, or lets the interpreter do the access.</summary>
    private byte* MakeAccessible(Site* site)
    {
        ulong va = _bridge->Value;
        if (site->IsAligned && (va & 15) != 0)
        {
            return Execute(site); // the general protection comes before what the page may have
        }

        long generation = _cache.Generation;
        _context->InstructionRip = site->Rip;
        ulong first = (va + site->First) & RipMask;
        bool possible = site->IsWrite ? Cpu.ProbeWrite(first, site->FirstSize, site->IsStack) : Cpu.ProbeRead(first, site->FirstSize, site->IsStack);
        if (possible)
        {
            TlbEntry* entry = (TlbEntry*)((byte*)_context->Tlb + ((va >> 7) & Tlb.OffsetMask));
            ulong tag = site->IsWrite ? entry->Write : entry->Read;
            if (tag == (va & ~0xFFFUL) && va - tag <= 4096UL - site->Size && generation == _cache.Generation && !IsStuck(site->Rip))
            {
                _bridge->Left -= (uint)(site->Block->Count - site->Completed);
                return Resume(site->Resume);
            }

            TakeFlags();
            _context->State.Rip = site->Rip;
            Interpret();
            return null;
        }

        TakeFlags();
        _context->State.Rip = site->Rip;
        Counters.Faults++;
        _bridge->Left--;
        Cpu.DeliverPendingException();
        return null;
    }

    /// <summary>Enters again in the middle of things: what was loaded is loaded.</summary>
    private byte* Resume(byte* target)
    {
        UseSalt();
        _bridge->ResumeVectors = _bridge->VectorsSaved;
        _bridge->ResumeX87 = _bridge->X87Saved;
        _bridge->X87Allowed |= _bridge->X87Saved;
        return target;
    }

    /// <summary>
    /// An instruction with two accesses whose pages share a TLB entry would miss for ever: it is retried a few times only.
    /// </summary>
    private bool IsStuck(ulong rip)
    {
        _retries = rip == _retriedRip ? _retries + 1 : 0;
        _retriedRip = rip;
        if (_retries < MaxRetries)
        {
            return false;
        }

        _retries = 0;
        return true;
    }

    /// <summary>The block for a RIP, found or made.</summary>
    /// <returns>Null if a page of it is not there, or not the one it was made from: the interpreter sees to it.</returns>
    private TranslatedBlock* FindBlock(ulong rip)
    {
        CodeMode mode = Mode;
        if (!Cpu.IsCanonical(rip) || (mode == CodeMode.Code32 && rip > LastStart32) || !Cpu.TryGetFetchPage(rip, out byte* page))
        {
            return null;
        }

        TranslatedBlock* block = _cache.Find(page, rip, mode, OmitsLocks);
        if (block == null)
        {
            MarkCode(page);
            byte* second = null;
            if ((rip & 0xFFF) > 0x1000 - LongestInstruction)
            {
                if (!Cpu.TryGetFetchPage(NextPage(rip), out second))
                {
                    return null; // may cross into a page that is not there (yet): not for the cache
                }

                MarkCode(second);
            }

            long start = Stopwatch.GetTimestamp();
            block = _cache.Translate(page, rip, mode, OmitsLocks, second, _context->State.Gprs);
            Counters.TranslationTime += Stopwatch.GetElapsedTime(start);
            Counters.Blocks = _cache.BlocksTranslated;
            Counters.GuestBytes = _cache.GuestBytes;
            Counters.Resets = _cache.Resets;
            Counters.CodeBytes = _cache.CodeBytes;
        }

        bool isWhole = block->SecondPage == null || (Cpu.TryGetFetchPage(NextPage(rip), out byte* behind) && behind == block->SecondPage);
        return isWhole ? block : null;
    }

    /// <summary>Where the page behind an address starts.</summary>
    private static ulong NextPage(ulong va) => (va | 0xFFF) + 1;

    private void MarkCode(byte* hostPage)
    {
        foreach (GuestMemory memory in Cpu.GuestMemories)
        {
            ulong offset = (ulong)(hostPage - memory.Base);
            if (offset < memory.Size)
            {
                memory.MarkCode(offset >> GuestMemory.PageShift);
                return;
            }
        }
    }

    /// <summary>One instruction by the interpreter.</summary>
    private void Interpret()
    {
        SyncX87();
        _bridge->Left--;
        _interpreter.Step();
    }

    /// <summary>Brings the x87 registers from the image back to the state.</summary>
    private void SyncX87()
    {
        if (_x87InImage)
        {
            _x87InImage = false;
            X87Image.Load(ref _context->State, _bridge->X87Image);
        }
    }

    /// <summary>Makes the x87 registers ready for native use.</summary>
    /// <returns>False if a trap is due or an exception is unmasked: the interpreter's job.</returns>
    private bool TryPrepareX87()
    {
        ref X86CpuState s = ref _context->State;
        if (_x87InImage || (s.Cr0 & (Cr0.EM | Cr0.TS)) != 0 || (s.Fcw & X87Masks) != X87Masks || (s.Fsw & X87ErrorSummary) != 0)
        {
            return false;
        }

        X87Image.Store(s, _bridge->X87Image);
        _x87InImage = true;
        _bridge->X87Allowed = 1;
        _bridge->ResumeVectors = _bridge->VectorsSaved;
        _bridge->ResumeX87 = 0;
        return true;
    }
}
