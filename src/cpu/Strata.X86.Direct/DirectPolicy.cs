using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct;

/// <summary>How it is decided which address spaces run directly.</summary>
public enum DirectChoice
{
    /// <summary>By measured rates: what computes runs directly, what lives in system calls and faults is translated.</summary>
    Measured,

    /// <summary>Everything that can.</summary>
    Always,
}

/// <summary>
/// Which address spaces run directly. An event costs several microseconds there and a fraction of one in translated code, which in turn
/// takes longer for the same work: what counts is the time between two events. Each side is left at a rate that the other does not return
/// from at once, and a space that has come back is tried again later each time. On the vCPU's thread.
/// </summary>
/// <param name="choice">Measured, or always.</param>
/// <param name="ticksPerSecond">Of the times that <see cref="IsDirect"/> is given.</param>
internal sealed class DirectPolicy(DirectChoice choice, long ticksPerSecond)
{
    /// <summary>Events that make a measurement.</summary>
    private const int Sample = 32;

    /// <summary>CPU time of a stub that an event is worth at least, in ns; about two thirds of it are the event's own.</summary>
    private const long LeastRun = 10_000;

    /// <summary>How much later a space is tried again at most: so many samples.</summary>
    private const int MostPatience = 1 << 10;

    private const int MostSpaces = 256;

    /// <summary>Translated code that runs longer than this between two events is worth moving: 40 µs.</summary>
    private readonly long _toDirect = ticksPerSecond / 25_000;

    /// <summary>A translated run that is this long needs no further proof: 1 ms.</summary>
    private readonly long _obvious = ticksPerSecond / 1000;

    private readonly Dictionary<ulong, Space> _spaces = [];
    private Space? _current;
    private ulong _currentKey = ulong.MaxValue;

    /// <summary>How often a space changed sides.</summary>
    public long Moves { get; private set; }

    /// <summary>Whether a space runs directly now. Asked at each entry into user code.</summary>
    /// <param name="key">The space: address of its top page table.</param>
    /// <param name="now">Time of the host, in ticks.</param>
    public bool IsDirect(ulong key, long now)
    {
        if (choice == DirectChoice.Always)
        {
            return true;
        }

        Space space = Find(key);
        if (space.IsDirect)
        {
            return true;
        }

        if (space.EnteredAt != 0)
        {
            NoteTranslated(space, now - space.EnteredAt);
        }

        space.EnteredAt = space.IsDirect ? 0 : now;
        return space.IsDirect;
    }

    /// <summary>User code of the current space has run directly, until an event.</summary>
    /// <param name="stub">What it ran in.</param>
    public void NoteRun(StubProcess stub)
    {
        if (choice != DirectChoice.Measured || _current is not { IsDirect: true } space || ++space.Count < Sample)
        {
            return;
        }

        long time = stub.CpuTime;
        bool isSame = space.Stub == stub.ProcessId;
        long average = (time - space.CpuTime) / space.Count;
        (space.Stub, space.CpuTime, space.Count) = (stub.ProcessId, time, 0);
        if (!isSame)
        {
            return; // the first sample in this process has no beginning
        }

        if (average < LeastRun)
        {
            space.IsDirect = false;
            space.Patience = Math.Min(Math.Max(space.Patience, 1) * 2, MostPatience);
            space.Sum = space.EnteredAt = 0;
            Moves++;
        }
        else if (average > 4 * LeastRun)
        {
            space.Patience = Math.Max(1, space.Patience / 2);
        }
    }

    /// <summary>
    /// What the host does besides makes runs look longer than they are: then the space is tried, found wanting, and tried again later.
    /// </summary>
    private void NoteTranslated(Space space, long ticks)
    {
        space.Sum += ticks;
        space.Count++;
        int sample = Sample * Math.Max(space.Patience, 1);
        bool isObvious = space.Patience <= 1 && ticks >= _obvious;
        if (space.Count < sample && !isObvious)
        {
            return;
        }

        if (isObvious || space.Sum / space.Count >= _toDirect)
        {
            space.IsDirect = true;
            space.Stub = 0;
            Moves++;
        }

        (space.Sum, space.Count) = (0, 0);
    }

    private Space Find(ulong key)
    {
        if (key == _currentKey && _current is not null)
        {
            return _current;
        }

        if (_current is not null)
        {
            _current.EnteredAt = 0; // what another space did meanwhile is no time of this one
        }

        if (!_spaces.TryGetValue(key, out Space? space))
        {
            if (_spaces.Count >= MostSpaces)
            {
                _spaces.Clear();
            }

            _spaces[key] = space = new Space();
        }

        (_current, _currentKey) = (space, key);
        return space;
    }

    /// <summary>What is known of an address space. A table that has become another program's is measured anew soon.</summary>
    private sealed class Space
    {
        public bool IsDirect { get; set; }

        /// <summary>When translated code was entered last, in ticks.</summary>
        public long EnteredAt { get; set; }

        /// <summary>Ticks in translated code, and events, of the sample so far.</summary>
        public long Sum { get; set; }

        public int Count { get; set; }

        /// <summary>Samples until it is tried directly.</summary>
        public int Patience { get; set; }

        /// <summary>Process of the direct sample, and its CPU time at the beginning.</summary>
        public int Stub { get; set; }

        public long CpuTime { get; set; }
    }
}
