using System.Diagnostics;
using Strata.Core.Memory;
using Strata.X86.Direct.Spaces;
using Strata.X86.Direct.Stub;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator;

namespace Strata.X86.Direct;

/// <summary>
/// Executes user code of one vCPU in stub processes, one for each address space that its TLB keeps. What the CPU does not execute as the
/// guest's processor would is the interpreter's, instruction by instruction. On the vCPU's thread, except for <see cref="Interrupt"/>.
/// </summary>
internal sealed unsafe partial class DirectUserCode : IUserCode, ITlbFollower, IDisposable
{
    /// <summary>What user code can change of RFLAGS: the arithmetic flags, TF, DF, NT, AC and ID.</summary>
    private const ulong UserFlags = RFlags.Arithmetic | RFlags.TF | (1 << 10) | (1 << 14) | RFlags.AC | (1 << 21);

    /// <summary>IF, which user code of the host has, and the bit that is always set.</summary>
    private const ulong HostFlags = 0x202;

    /// <summary>Moments closer than this, in ns, tell less than it costs to look.</summary>
    private const long LeastBetweenSamples = 1_000_000;

    // Selectors that the host's user code has: a guest that uses others would see them.
    private const ushort UserCode32 = 0x23;
    private const ushort UserData = 0x2B;
    private const ushort UserCode64 = 0x33;

    private readonly Translator.Translator _translator;
    private readonly X86Cpu _cpu;
    private readonly VcpuContext* _context;
    private readonly GuestMemory _ram;
    private readonly DirectPolicy _policy;
    private readonly UserSpaces _spaces;
    private readonly GuestTables _tables;
    private volatile StubProcess? _running;
    private ulong? _leftTable; // of a space that is translated until the next sample
    private long _sampledAt;
    private long _sampledTime;
    private long _sampledEvents;

    public DirectUserCode(Translator.Translator translator, GuestMemory ram, StubHost host, DirectChoice choice)
    {
        _translator = translator;
        _cpu = translator.Cpu;
        _context = _cpu.Context;
        _ram = ram;
        _spaces = new UserSpaces(host, Counters);
        _tables = new GuestTables(_cpu, ram);
        _policy = new DirectPolicy(choice);
    }

    public DirectCounters Counters { get; } = new();

    /// <summary>Host time, in ns: what events cost.</summary>
#pragma warning disable RS0030
    private static long Now => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));
#pragma warning restore RS0030

    public bool IsAskedAlways => Counters.Obstacle is null && _leftTable != Table && _policy.WasDirect(Table);

    /// <summary>Address of the present top page table.</summary>
    private ulong Table => _context->State.Cr3 & ~0xFFFUL;

    public bool Takes()
    {
        if (Counters.Obstacle is not null || !IsEligible())
        {
            return false;
        }

        bool isDirect = _leftTable != Table && _policy.IsDirect(Table, SpaceMark.Of(in _context->State, _cpu.Memory));
        Counters.Moves = _policy.Moves;
        if (!isDirect)
        {
            Counters.LeftToTranslator++;
        }

        return isDirect;
    }

    public void Sample(long returns)
    {
        _leftTable = null;
        long now = Now;
        if (now - _sampledAt < LeastBetweenSamples || Counters.Obstacle is not null)
        {
            return;
        }

        long cpuTime = HostCalls.ThreadCpuTime();
        long events = returns + _cpu.Exceptions; // how often its kernel was entered; translated code comes to the monitor for much else
        bool isUser = _context->Cpl == 3;
        if (!isUser || IsEligible())
        {
            _policy.NoteTranslated(
                Table, SpaceMark.Of(in _context->State, _cpu.Memory), cpuTime - _sampledTime, isUser, events - _sampledEvents);
        }

        (_sampledAt, _sampledTime, _sampledEvents) = (now, cpuTime, events);
    }

    public void Interrupt() => _running?.Interrupt();

    public void Run()
    {
        bool goesOn;
        do
        {
            try
            {
                goesOn = RunOnce();
            }
            catch (DirectUnavailableException error)
            {
                Counters.Obstacle = error.Message; // the translator goes on from the same state
                _spaces.Clear();
                return;
            }
        }
        while (goesOn && Volatile.Read(ref _context->Attention) == 0 && IsEligible());
    }

    public void DropAll(int slot) => _spaces.Stale(slot);

    public void Drop(ulong address, ulong length) => _spaces.Drop(address, length);

    public bool RevokeWrite(byte* hostPage) => TryFindRam(hostPage, out ulong page) && _spaces.RevokeWrite(page);

    /// <summary>The pages' notes are looked at before user code is executed again: only who has none keeps its right.</summary>
    public void RevokeAllWrites() => _spaces.Distrust();

    public void Dispose() => _spaces.Clear();

    /// <summary>Whether the CPU would execute the code at State.Rip as the guest's processor does.</summary>
    private bool IsEligible()
    {
        ref X86CpuState s = ref _context->State;
        const ModeBits wanted = ModeBits.Code64 | ModeBits.LongActive | ModeBits.User;
        const ulong cr4 = Cr4.OSFXSR | Cr4.OSXMMEXCPT | Cr4.FSGSBASE;
        bool isUsual = (_context->Mode & wanted) == wanted && !_cpu.NeedsSlowStep && s.Shadow == InterruptShadow.None
            && (s.Cr0 & (Cr0.EM | Cr0.TS)) == 0 && (s.Cr4 & cr4) == cr4
            && (s.Rflags & (RFlags.AC | (3 << 12))) == 0 // alignment checks, and rights to I/O
            && s.Cs.Selector == UserCode64 && s.Ss.Selector == UserData && s.Star >> 48 == UserCode32
            && IsLoadable(s.Ds) && IsLoadable(s.Es) && IsLoadable(s.Fs) && IsLoadable(s.Gs)
            && s.Rip < StubLayout.UserEnd;
        if (!isUsual || !PageTablePeek.IsSlotFree(in s, _cpu.Memory))
        {
            return false;
        }

        if (_ram.Form != MemoryForm.Shared)
        {
            Counters.Obstacle = "The machine's memory is no longer one that other processes can map: it has been cloned.";
            _spaces.Clear();
            return false;
        }

        return true;
    }

    private static bool IsLoadable(in SegmentState segment) => segment.Selector is 0 or UserData;

    /// <returns>True if user code goes on where the state says.</returns>
    private bool RunOnce()
    {
        long start = Now;
        UserSpace space = FindSpace();
        StubProcess stub = space.Stub;
        WriteEntry(stub.Entry);
        _running = stub;
        StubStop stop = stub.Run(ref _context->Attention, out StubFrame frame, out byte* vectors);
        _running = null;
        switch (stop)
        {
            case StubStop.NotEntered:
                return false;
            case StubStop.Refused:
                space.Abandon();
                return false;
            case StubStop.Lost:
                space.Abandon();
                return Punish();
            default:
                break;
        }

        bool goesOn = TakeEvent(in frame, vectors, space);
        long elapsed = Now - start;
        Counters.Time += new TimeSpan(elapsed / TimeSpan.NanosecondsPerTick);
        if (_policy.NoteDirect(stub.ProcessId, elapsed))
        {
            _policy.Settle(stub.CpuTime);
            goesOn &= _policy.WasDirect(Table);
        }

        return goesOn;
    }

    private bool TakeEvent(in StubFrame frame, byte* vectors, UserSpace space)
    {
        if (frame.IsInStub)
        {
            // Kicked before guest code was reached, or guest code has jumped there: the state is what it was.
            if (frame.Signal != StubCode.KickSignal)
            {
                return Punish();
            }

            Counters.Count(DirectEvent.Interrupt);
            return false;
        }

        return TryTake(in frame, vectors) ? Serve(in frame, space) : Punish();
    }

    private void WriteEntry(StubEntry entry)
    {
        ref X86CpuState s = ref _context->State;
        for (int i = 0; i < 16; i++)
        {
            entry.Registers[i] = s.Gprs[i];
        }

        entry.Rip = s.Rip;
        entry.Rsp = s.Gprs[Gpr.Rsp];
        entry.Rflags = (_cpu.Rflags & UserFlags) | HostFlags;
        (entry.Cs, entry.Ss) = (UserCode64, UserData);
        (entry.FsBase, entry.GsBase) = (s.Fs.Base, s.Gs.Base);
        (entry.Selectors[0], entry.Selectors[1]) = (s.Ds.Selector, s.Es.Selector);
        (entry.Selectors[2], entry.Selectors[3]) = (s.Fs.Selector, s.Gs.Selector);
        VectorImage.Store(in s, entry.Vectors);
    }

    /// <summary>The state behind a run.</summary>
    /// <returns>False if it is none that the guest's processor could have.</returns>
    private bool TryTake(in StubFrame frame, byte* vectors)
    {
        ref X86CpuState s = ref _context->State;
        if (frame.Cs is not (UserCode64 or UserCode32) || frame.Ss != UserData || !_cpu.IsCanonical(frame.Rip)
            || !_cpu.IsCanonical(frame.FsBase) || !_cpu.IsCanonical(frame.GsBase))
        {
            return false;
        }

        for (int i = 0; i < 16; i++)
        {
            s.Gprs[i] = frame.Registers[i];
        }

        s.Rip = frame.Rip;
        _cpu.Rflags = (_cpu.Rflags & ~UserFlags) | (frame.Rflags & UserFlags);
        TakeSelector(SegmentIndex.Ds, frame.Selectors[0]);
        TakeSelector(SegmentIndex.Es, frame.Selectors[1]);
        TakeSelector(SegmentIndex.Fs, frame.Selectors[2]);
        TakeSelector(SegmentIndex.Gs, frame.Selectors[3]);
        (s.Fs.Base, s.Gs.Base) = (frame.FsBase, frame.GsBase);
        VectorImage.Load(ref s, vectors);
        _cpu.UpdateUppersInUse();
        if (frame.Cs == UserCode32)
        {
            X86Cpu.FindSysretSegments(s.Star, to64Bit: false, out s.Cs, out s.Ss);
            s.Rip = (uint)s.Rip;
        }

        if (frame.Cs == UserCode32 || (frame.Rflags & RFlags.AC) != 0)
        {
            _cpu.UpdateMode();
        }

        return true;
    }

    /// <summary>A selector that the program has loaded: the guest's own table says what it stands for.</summary>
    private void TakeSelector(SegmentIndex index, ushort selector)
    {
        if (_context->State.Segment(index).Selector == selector)
        {
            return;
        }

        if (!_cpu.TryLoadSegment(index, selector))
        {
            _context->PendingException = 0; // the guest's table lacks what the host's has: a null selector stays
            _ = _cpu.TryLoadSegment(index, 0);
        }
    }

    /// <summary>The program has lost its registers, or has none that could be: its kernel sees a general protection fault.</summary>
    private bool Punish()
    {
        Counters.Count(DirectEvent.Attack);
        _context->InstructionRip = _context->State.Rip;
        _cpu.RaiseGeneralProtection();
        _cpu.DeliverPendingException();
        return false;
    }

    /// <summary>The page of RAM at a host address.</summary>
    private bool TryFindRam(byte* host, out ulong page)
    {
        page = (ulong)(host - _ram.Base) >> GuestMemory.PageShift;
        return host >= _ram.Base && page < _ram.Pages;
    }

    /// <summary>The current address space, with nothing that its TLB entries have been dropped for.</summary>
    private UserSpace FindSpace()
    {
        UserSpace space = _spaces.Find(_context->State.Cr3 & ~0xFFFUL);
        int slot = _cpu.Tlb.CurrentSlot;
        space.IsStale |= space.Slot != slot;
        space.Slot = slot;
        space.Prepare(_tables);
        return space;
    }
}
