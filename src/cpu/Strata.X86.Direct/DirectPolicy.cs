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
/// from at once. On the vCPU's thread.
/// </summary>
/// <param name="choice">Measured, or always.</param>
/// <param name="ticksPerSecond">Of the times that are given.</param>
internal sealed class DirectPolicy(DirectChoice choice, long ticksPerSecond)
{
    /// <summary>Translated code that runs longer than this between two events is worth moving: 40 µs.</summary>
    private readonly long _toDirect = ticksPerSecond / 25_000;

    /// <summary>Direct code that runs shorter than this between two events goes back: 8 µs.</summary>
    private readonly long _toTranslated = ticksPerSecond / 125_000;

    /// <summary>Events that make a measurement.</summary>
    private const int Sample = 32;

    /// <summary>A translated run that is this long needs no further proof: 1 ms.</summary>
    private readonly long _obvious = ticksPerSecond / 1000;

    private const int MostSpaces = 256;

    private readonly Dictionary<ulong, Space> _spaces = [];
    private Space? _current;
    private ulong _currentKey = ulong.MaxValue;

    /// <summary>How often a space changed sides.</summary>
    public long Moves { get; private set; }

    /// <summary>Whether a space runs directly now. Asked at each entry into user code.</summary>
    /// <param name="key">The space: address of its top page table.</param>
    /// <param name="now">In ticks.</param>
    public bool IsDirect(ulong key, long now)
    {
        if (choice == DirectChoice.Always)
        {
            return true;
        }

        Space space = Find(key);
        if (!space.IsDirect && space.EnteredAt != 0)
        {
            Note(space, now - space.EnteredAt);
        }

        space.EnteredAt = space.IsDirect ? 0 : now;
        return space.IsDirect;
    }

    /// <summary>User code of the current space has run directly for so long until an event.</summary>
    public void NoteRun(long ticks)
    {
        if (choice == DirectChoice.Measured && _current is { } space)
        {
            Note(space, ticks);
        }
    }

    private void Note(Space space, long ticks)
    {
        space.Sum += ticks;
        space.Count++;
        bool isOver = space.Count >= Sample || (!space.IsDirect && ticks >= _obvious);
        if (!isOver)
        {
            return;
        }

        long average = space.Sum / space.Count;
        bool isDirect = space.IsDirect ? average >= _toTranslated : average >= _toDirect || ticks >= _obvious;
        if (isDirect != space.IsDirect)
        {
            Moves++;
        }

        (space.IsDirect, space.Sum, space.Count, space.EnteredAt) = (isDirect, 0, 0, 0);
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

        public long EnteredAt { get; set; }

        public long Sum { get; set; }

        public int Count { get; set; }
    }
}
