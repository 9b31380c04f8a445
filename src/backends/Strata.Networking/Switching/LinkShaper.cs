using Strata.Core.Networking;
using Strata.Core.Time;

namespace Strata.Networking.Switching;

/// <summary>
/// Loses, delays and slows frames of one direction of a link. Safe on any thread; the clock's thread delivers what waited.
/// </summary>
internal sealed class LinkShaper : IDisposable
{
    private const double NanosecondsPerSecond = 1e9;
    private readonly Lock _gate = new();
    private readonly LinkConditions _conditions;
    private readonly IVirtualClock _clock;
    private readonly FrameSinkWithResult _deliver;
    private readonly IVirtualTimer? _timer;
    private readonly Queue<Waiting> _queue = new(); // in order of time; under _gate
    private readonly Random? _dice;                 // under _gate
    private int _queuedBytes;                       // under _gate
    private long _lineFreeAt;                       // when the last byte of the queue has left; under _gate
    private bool _disposed;                         // under _gate

    public LinkShaper(LinkConditions conditions, IVirtualClock clock, FrameSinkWithResult deliver)
    {
        conditions.Check();
        _conditions = conditions;
        _clock = clock;
        _deliver = deliver;
        _dice = conditions.Loss > 0 ? new Random(conditions.Seed) : null;
        _timer = conditions.IsImmediate ? null : clock.CreateTimer(DeliverDue);
    }

    /// <summary>Takes a frame on its way. Returns false if the receiver has no room.</summary>
    internal delegate bool FrameSinkWithResult(ReadOnlySpan<byte> frame, in FrameOffload offload);

    /// <summary>What happened to a frame.</summary>
    internal enum Fate
    {
        Passed,
        Lost,
        Overflowed,

        /// <summary>The receiver itself had no room: the sender may try again.</summary>
        Refused,
    }

    public Fate Offer(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_timer is null && _dice is null)
        {
            return _deliver(frame, offload) ? Fate.Passed : Fate.Refused;
        }

        lock (_gate)
        {
            if (_dice is not null && _dice.NextDouble() < _conditions.Loss)
            {
                return Fate.Lost;
            }

            if (_timer is not null)
            {
                return Enqueue(frame, offload);
            }
        }

        return _deliver(frame, offload) ? Fate.Passed : Fate.Refused;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _queue.Clear();
        }

        _timer?.Dispose();
    }

    private Fate Enqueue(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (_disposed || _queuedBytes + frame.Length > Math.Max(_conditions.QueueBytes, frame.Length))
        {
            return Fate.Overflowed;
        }

        long now = _clock.Now;
        long line = _conditions.BytesPerSecond == 0 ? 0 : (long)(frame.Length * NanosecondsPerSecond / _conditions.BytesPerSecond);
        _lineFreeAt = Math.Max(now, _lineFreeAt) + line;
        _queue.Enqueue(new Waiting(_lineFreeAt + (_conditions.Delay.Ticks * 100), frame.ToArray(), offload));
        _queuedBytes += frame.Length;
        if (_queue.Count == 1)
        {
            _timer!.Arm(_queue.Peek().At);
        }

        return Fate.Passed;
    }

    private void DeliverDue()
    {
        while (true)
        {
            Waiting next;
            lock (_gate)
            {
                if (!_queue.TryPeek(out next))
                {
                    return;
                }

                if (next.At > _clock.Now)
                {
                    _timer!.Arm(next.At);
                    return;
                }

                _queue.Dequeue();
                _queuedBytes -= next.Frame.Length;
            }

            _deliver(next.Frame, next.Offload);
        }
    }

    private readonly record struct Waiting(long At, byte[] Frame, FrameOffload Offload);
}
