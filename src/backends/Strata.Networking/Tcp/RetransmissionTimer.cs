namespace Strata.Networking.Tcp;

/// <summary>
/// How long to wait for an acknowledgment. RFC 6298, "Computing TCP's Retransmission Timer": smoothed round-trip time and its
/// variation, Karn's algorithm, exponential back-off. Times are nanoseconds. Under the network's gate.
/// </summary>
internal sealed class RetransmissionTimer
{
    /// <summary>RFC 6298 says one second; both ends share a machine here, so less is safe.</summary>
    public const long Shortest = 200_000_000;

    public const long Longest = 60_000_000_000;
    private const long Initial = 1_000_000_000;
    private const int MostDoublings = 16;

    private long _smoothed;
    private long _variation;
    private long _base = Initial;
    private int _doublings;
    private uint _timedEnd;
    private long _timedAt;
    private bool _isTiming;

    /// <summary>Nanoseconds until a retransmission.</summary>
    public long Interval => Math.Min(Longest, _base << Math.Min(_doublings, MostDoublings));

    /// <summary>A segment was sent for the first time.</summary>
    /// <param name="end">The sequence number behind it.</param>
    public void OnSent(uint end, long now)
    {
        if (!_isTiming)
        {
            _isTiming = true;
            _timedEnd = end;
            _timedAt = now;
        }
    }

    /// <summary>New data was acknowledged.</summary>
    public void OnAcknowledged(uint acknowledgment, long now)
    {
        _doublings = 0;
        if (!_isTiming || (int)(acknowledgment - _timedEnd) < 0)
        {
            return;
        }

        _isTiming = false;
        long sample = now - _timedAt;
        if (_smoothed == 0)
        {
            _smoothed = sample;
            _variation = sample / 2;
        }
        else
        {
            _variation += (Math.Abs(_smoothed - sample) - _variation) / 4;
            _smoothed += (sample - _smoothed) / 8;
        }

        _base = Math.Clamp(_smoothed + (4 * _variation), Shortest, Longest);
    }

    /// <summary>The time passed without an acknowledgment. A segment that was sent twice tells no round-trip time.</summary>
    public void OnExpired()
    {
        _doublings = Math.Min(_doublings + 1, MostDoublings);
        _isTiming = false;
    }
}
