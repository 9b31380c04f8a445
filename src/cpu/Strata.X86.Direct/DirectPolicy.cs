namespace Strata.X86.Direct;

/// <summary>How it is decided which address spaces run directly.</summary>
public enum DirectChoice
{
    /// <summary>By measured costs: what computes runs directly, what lives in system calls and faults is translated.</summary>
    Measured,

    /// <summary>Everything that can.</summary>
    Always,
}

/// <summary>
/// Which address spaces run directly. An event costs several microseconds there and a fraction of one in translated code, which in turn
/// takes longer for the same work. So an account is kept of each space, in nanoseconds: while it is translated, of what it would have
/// gained by now; while it runs directly, of what it gains. A new space is translated until its gain is worth a move, and goes back when
/// it has lost a stake, which is small; each time that happens it has to show more before it is tried again. On the vCPU's thread.
/// </summary>
internal sealed class DirectPolicy(DirectChoice choice)
{
    /// <summary>Translated code takes this many times as long as the CPU itself, in halves: what most programs reach at least.</summary>
    private const int HalvesOfSlowness = 5;

    /// <summary>What a system call, fault or interrupt costs user code that is translated.</summary>
    private const long TranslatedEvent = 300;

    /// <summary>
    /// CPU time of a stub that is an event's own, at first, at least and at most: a signal of the host, waking the monitor, sleeping,
    /// entering again.
    /// </summary>
    private const long UsualStubEvent = 6_000;
    private const long ShortestStubEvent = 2_000;
    private const long LongestStubEvent = 20_000;

    /// <summary>An event that takes longer had to wait for the host, as any code has; and what one costs at first, and at least.</summary>
    private const long LongestEvent = 40_000;
    private const long UsualEvent = 8_000;
    private const long ShortestEvent = 2_000;

    /// <summary>What a space may lose before it goes back, and what it can have earned for that.</summary>
    private const long Stake = 1_000_000;

    /// <summary>What a space has to have gained, had it run directly, before it does: at first, and at most.</summary>
    private const long FirstThreshold = 8_000_000;
    private const long LastThreshold = 2_000_000_000;

    /// <summary>How far translated events can put a space behind: a program that begins to compute has not to wait for ever.</summary>
    private const long MostDebt = 10_000_000;

    /// <summary>Events, or nanoseconds, after which what a space gains directly is looked at.</summary>
    private const int Sample = 8;
    private const long LongSample = 1_000_000;

    private const int MostSpaces = 256;

    private readonly Dictionary<ulong, Space> _spaces = [];
    private Space? _current;
    private ulong _currentKey = ulong.MaxValue;

    /// <summary>How often a space changed sides.</summary>
    public long Moves { get; private set; }

    /// <summary>What an event costs that comes back to the monitor, beside user code: the average of late, in ns.</summary>
    public long EventCost { get; private set; } = UsualEvent;

    /// <summary>
    /// CPU time of a stub that is an event's own. A host that is loaded takes three times as long: so it is the least that samples had of
    /// late, of which some are system calls one behind the other.
    /// </summary>
    private long StubEvent { get; set; } = UsualStubEvent;

    /// <summary>Whether the space of a top page table ran directly when it was looked at last; it may be another one by now.</summary>
    public bool WasDirect(ulong key) => choice == DirectChoice.Always || Find(key).IsDirect;

    /// <summary>Whether a space runs directly now. Asked at each entry into user code that is not passed by translated code.</summary>
    /// <param name="key">Address of its top page table.</param>
    /// <param name="mark">What tells it from others that had their table there.</param>
    public bool IsDirect(ulong key, ulong mark) => choice == DirectChoice.Always || Find(key, mark).IsDirect;

    /// <summary>A moment at which a space was seen that is translated.</summary>
    /// <param name="time">CPU time since the moment before.</param>
    /// <param name="isUser">Whether user code was executed, which stands for all of that time.</param>
    /// <param name="events">System calls and exceptions in that time.</param>
    public void NoteTranslated(ulong key, ulong mark, long time, bool isUser, long events)
    {
        if (choice != DirectChoice.Measured || Find(key, mark) is not { IsDirect: false } space)
        {
            return;
        }

        long saved = isUser ? time * (HalvesOfSlowness - 2) / HalvesOfSlowness : 0;
        space.Account = Math.Max(space.Account + saved - (events * EventCost), -MostDebt);
        if (space.Account >= space.Threshold)
        {
            (space.IsDirect, space.Account, space.Earned, space.Stub) = (true, Stake, 0, 0);
            Moves++;
        }
    }

    /// <summary>User code of the current space has run directly, and the event behind that has been served.</summary>
    /// <param name="process">What it ran in.</param>
    /// <param name="time">Time of the host for all of it.</param>
    /// <returns>True if <see cref="Settle"/> is to be told the CPU time of the process.</returns>
    public bool NoteDirect(int process, long time)
    {
        if (choice != DirectChoice.Measured || _current is not { IsDirect: true } space)
        {
            return false;
        }

        if (space.Stub != process)
        {
            (space.Stub, space.CpuTime, space.Count, space.Time) = (process, -1, 0, 0);
            return true; // the first sample in a process has no beginning
        }

        space.Count++;
        space.Time += time;
        return space.Count >= Sample || space.Time >= LongSample;
    }

    /// <summary>What the current space has gained since the last time, by the CPU time of its process.</summary>
    public void Settle(long cpuTime)
    {
        if (_current is not { } space)
        {
            return;
        }

        if (space.CpuTime < 0)
        {
            space.CpuTime = cpuTime;
            return;
        }

        long cpuUsed = Math.Min(cpuTime - space.CpuTime, space.Time);
        StubEvent = Math.Clamp(Math.Min(StubEvent + (StubEvent / 64), cpuUsed / space.Count), ShortestStubEvent, LongestStubEvent);
        long used = Math.Max(0, cpuUsed - (space.Count * StubEvent));
        long spent = Math.Min(space.Time - used, space.Count * LongestEvent);
        long gain = (used * (HalvesOfSlowness - 2) / 2) + (space.Count * TranslatedEvent) - spent;
        EventCost = Math.Clamp(EventCost + (((spent / space.Count) - EventCost) / 16), ShortestEvent, LongestEvent);
        (space.CpuTime, space.Count, space.Time) = (cpuTime, 0, 0);
        space.Account = Math.Min(space.Account + gain, Stake);
        space.Earned += gain;
        if (space.Account < 0)
        {
            space.IsDirect = false;
            space.Account = 0;
            space.Threshold = Math.Min(space.Threshold * 2, LastThreshold);
            Moves++;
        }
        else if (space.Earned >= space.Threshold)
        {
            space.Threshold = Math.Max(space.Threshold / 2, FirstThreshold);
            space.Earned = 0;
        }
    }

    private Space Find(ulong key, ulong mark)
    {
        Space space = Find(key);
        if (space.Mark != mark)
        {
            _spaces[key] = _current = space = new Space { Mark = mark };
        }

        return space;
    }

    private Space Find(ulong key)
    {
        if (key == _currentKey && _current is not null)
        {
            return _current;
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

    /// <summary>What is known of an address space.</summary>
    private sealed class Space
    {
        public ulong Mark { get; init; }

        public bool IsDirect { get; set; }

        public long Account { get; set; }

        /// <summary>What the account has to reach.</summary>
        public long Threshold { get; set; } = FirstThreshold;

        /// <summary>What has been gained since the threshold was looked at.</summary>
        public long Earned { get; set; }

        /// <summary>Process of the direct sample, its CPU time at the beginning, and the sample so far.</summary>
        public int Stub { get; set; }

        public long CpuTime { get; set; }

        public int Count { get; set; }

        public long Time { get; set; }
    }
}
