namespace Strata.Disks.Throttling;

/// <summary>
/// Says how long to wait so that a rate is kept on average, with bursts of what one second allows. A request larger than the bucket is let
/// through once the bucket is full and leaves a debt. Safe on any thread.
/// </summary>
internal sealed class TokenBucket
{
    private readonly Lock _lock = new(); // guards the two fields at the end
    private readonly TimeProvider _time;
    private readonly double _rate;
    private double _tokens;
    private long _filledAt;

    /// <param name="rate">Tokens per second, which is the bucket's size too.</param>
    public TokenBucket(long rate, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rate);
        _rate = rate;
        _time = time;
        _tokens = rate;
        _filledAt = time.GetTimestamp();
    }

    /// <summary>Takes tokens now, on credit if there are too few.</summary>
    /// <returns>How long the caller must wait before it goes on.</returns>
    public TimeSpan Take(long count)
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            _tokens = Math.Min(_rate, _tokens + (_time.GetElapsedTime(_filledAt, now).TotalSeconds * _rate));
            _filledAt = now;
            _tokens -= count;
            return _tokens >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-_tokens / _rate);
        }
    }
}
