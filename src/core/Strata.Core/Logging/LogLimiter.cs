namespace Strata.Core.Logging;

/// <summary>
/// Lets a few reports through at once and then one from time to time, and counts the others: what a guest can cause, it can cause a million
/// times a second. Safe on any thread.
/// </summary>
/// <param name="time">The host's monotonic time; a guest's would stand still where the guest does.</param>
public sealed class LogLimiter(TimeProvider time)
{
    /// <summary>Reports at once.</summary>
    public const int Burst = 10;

    /// <summary>Until one more may pass.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private int _left = Burst; // under _gate
    private long _since = time.GetTimestamp(); // under _gate: when _left was right
    private long _leftOut; // under _gate

    /// <summary>Whether a report may pass now.</summary>
    /// <param name="leftOut">How many did not since the last one that did.</param>
    public bool TryPass(out long leftOut)
    {
        lock (_gate)
        {
            long intervals = (long)(time.GetElapsedTime(_since) / Interval);
            if (intervals > 0)
            {
                _left = (int)Math.Min(Burst, _left + intervals);
                _since = time.GetTimestamp();
            }

            if (_left == 0)
            {
                _leftOut++;
                leftOut = 0;
                return false;
            }

            _left--;
            leftOut = TakeLeftOutCore();
            return true;
        }
    }

    /// <summary>How many were left out since the last report, which are now accounted for.</summary>
    public long TakeLeftOut()
    {
        lock (_gate)
        {
            return TakeLeftOutCore();
        }
    }

    private long TakeLeftOutCore()
    {
        long count = _leftOut;
        _leftOut = 0;
        return count;
    }
}
