namespace Strata.Machines.Boards;

/// <summary>Notices a guest that is reset again and again and never comes up. Calls are serialized by the board.</summary>
internal sealed class ResetRate
{
    /// <summary>So many resets within <see cref="Window"/> are no guest's plan: systems take a second and more to come up.</summary>
    public const int Most = 10;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly Queue<long> _last = new();

    /// <summary>Notes a reset.</summary>
    /// <param name="now">Virtual time, in ns.</param>
    /// <returns>True if there were too many of late.</returns>
    public bool IsTooHigh(long now)
    {
        _last.Enqueue(now);
        while (now - _last.Peek() > Window.Ticks * TimeSpan.NanosecondsPerTick)
        {
            _last.Dequeue();
        }

        return _last.Count >= Most;
    }
}
