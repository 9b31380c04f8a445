using System.Diagnostics;
using Strata.Core.Posix;

namespace Strata.Core.Time;

/// <summary>Virtual time that follows the host's monotonic clock while it runs. One thread fires the timers.</summary>
public sealed class RealTimeClock : IVirtualClock, IDisposable
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly Lock _gate = new();
    private readonly PriorityQueue<Timer, long> _queue = new();
    private readonly TimedEvent _wake = new();
    private readonly Thread _thread;
    private long _offset;      // virtual = host + offset while running; guarded by _gate for writes
    private long _stoppedAt;   // virtual time while stopped
    private volatile bool _running;
    private volatile bool _disposed;

    public RealTimeClock()
    {
        _thread = new Thread(FireTimers) { IsBackground = true, Name = "strata-clock" };
        _thread.Start();
    }

    public long Now => _running ? HostNow() + Volatile.Read(ref _offset) : Volatile.Read(ref _stoppedAt);

    public IVirtualTimer CreateTimer(Action callback) => new Timer(this, callback);

    public void Start()
    {
        lock (_gate)
        {
            if (!_running)
            {
                Volatile.Write(ref _offset, _stoppedAt - HostNow());
                _running = true;
            }

            SignalLocked();
        }
    }

    public void Stop()
    {
        lock (_gate)
        {
            if (_running)
            {
                Volatile.Write(ref _stoppedAt, HostNow() + _offset);
                _running = false;
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _wake.Set();
        }

        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    /// <summary>Under <see cref="_gate"/>, as the thread closes the event at its end.</summary>
    private void SignalLocked()
    {
        if (!_disposed)
        {
            _wake.Set();
        }
    }

#pragma warning disable RS0030 // the host's time comes in here
    private static long HostNow() => Stopwatch.Frequency == NanosecondsPerSecond
        ? Stopwatch.GetTimestamp()
        : (long)(Stopwatch.GetTimestamp() * ((double)NanosecondsPerSecond / Stopwatch.Frequency));
#pragma warning restore RS0030

    private void FireTimers()
    {
        while (!_disposed)
        {
            Timer? due = TakeDue(out long wait);
            if (due is not null)
            {
                due.Callback();
            }
            else
            {
                _wake.Wait(wait);
            }
        }

        lock (_gate)
        {
            _wake.Dispose();
        }
    }

    /// <param name="wait">Nanoseconds until the next timer, or −1.</param>
    private Timer? TakeDue(out long wait)
    {
        lock (_gate)
        {
            wait = -1;
            if (_running && _queue.TryPeek(out Timer? timer, out long deadline))
            {
                long left = deadline - Now;
                if (left > 0)
                {
                    wait = left;
                    return null;
                }

                _queue.Dequeue();
                timer.Deadline = Timer.Disarmed;
                return timer;
            }

            return null;
        }
    }

    private sealed class Timer(RealTimeClock clock, Action callback) : IVirtualTimer
    {
        public const long Disarmed = long.MinValue;

        public long Deadline { get; set; } = Disarmed;

        public Action Callback => callback;

        public void Arm(long deadline)
        {
            lock (clock._gate)
            {
                if (Deadline == deadline)
                {
                    return;
                }

                Disarm();
                Deadline = deadline;
                bool first = !clock._queue.TryPeek(out _, out long head) || deadline < head;
                clock._queue.Enqueue(this, deadline);
                if (first)
                {
                    clock.SignalLocked();
                }
            }
        }

        public void Disarm()
        {
            lock (clock._gate)
            {
                // The queue holds armed timers only: a handful, whatever a guest programs.
                if (Deadline != Disarmed)
                {
                    clock._queue.Remove(this, out _, out _);
                    Deadline = Disarmed;
                }
            }
        }

        public void Dispose() => Disarm();
    }
}
