using System.Diagnostics;
using Strata.Core.Posix;
using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>Virtual time that follows the host's monotonic clock while it runs. One thread fires the timers.</summary>
public sealed class RealTimeClock : IVirtualClock, IUnit<ClockState>, IDisposable
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>
    /// Of a clock that looks for gaps, in ns: timers may all have fired when one begins, and guests be about to arm the next.
    /// </summary>
    private const long LongestWait = NanosecondsPerSecond;

    private readonly Lock _gate = new();
    private readonly PriorityQueue<Timer, long> _queue = new();
    private readonly TimedEvent _wake = new();
    private readonly Thread _thread;
    private readonly TimeSpan _gap;
    private readonly Action? _onGap;
    private readonly Lock _gapGate = new(); // nothing is locked under it but by _onGap
    private readonly Lock _callbackGate = new(); // held while a timer's callback runs; before all others
    private long _nextLook = long.MaxValue; // host time at which the thread means to look at the timers again
    private long _offset;      // virtual = host + offset while running; guarded by _gate for writes
    private long _stoppedAt;   // virtual time while stopped
    private volatile bool _running;
    private volatile bool _disposed;

    /// <param name="gap">By how much the host has to be late with running the clock's thread to count as having stopped.</param>
    /// <param name="onGap">Called when that has happened, by <see cref="LookForGap"/> or before the timers whose time has come
    /// fire.</param>
    public RealTimeClock(TimeSpan gap = default, Action? onGap = null)
    {
        _gap = gap;
        _onGap = onGap;
        _thread = new Thread(FireTimers) { IsBackground = true, Name = "strata-clock" };
        _thread.Start();
    }

    public string UnitName => "clock";

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

    /// <summary>
    /// Stops the time. No timer's callback is under way on return, unless one calls this itself: what it would wait for must not be held
    /// here.
    /// </summary>
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

        lock (_callbackGate)
        {
            // A callback that was taken from the queue before has ended, and TakeDue gives none out while the time stands still.
        }
    }

    /// <summary>Does nothing: virtual time never goes back while a machine lives.</summary>
    public void Reset()
    {
    }

    public ClockState SaveState() => new() { Now = Now };

    /// <summary>Takes the time over, which must stand still. Timers stay armed: whoever owns them arms them anew.</summary>
    public void LoadState(ClockState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (_gate)
        {
            if (_running)
            {
                throw new InvalidOperationException("The clock must be stopped before its time is set.");
            }

            Volatile.Write(ref _stoppedAt, state.Now);
        }
    }

    /// <summary>
    /// Looks whether the host has not run the clock's thread for long. For who must know before what was under way when that began: on
    /// return, everybody has been told. Any thread.
    /// </summary>
    public void LookForGap()
    {
        if (_onGap is not null && IsOverdue(HostNow()))
        {
            lock (_gapGate)
            {
                TellGap(HostNow());
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

    private bool IsOverdue(long now)
    {
        long nextLook = Volatile.Read(ref _nextLook);
        return _running && now > nextLook && now - nextLook > _gap.Ticks * TimeSpan.NanosecondsPerTick;
    }

    /// <summary>Under <see cref="_gapGate"/>.</summary>
    private void TellGap(long now)
    {
        if (IsOverdue(now))
        {
            _onGap!();
            Volatile.Write(ref _nextLook, now);
        }
    }

    /// <summary>
    /// Notes when the thread means to look again, and what it has missed up to now: it may have waited for the timers' lock. A gap that
    /// begins behind <paramref name="now"/> is found the next time.
    /// </summary>
    private void NoteNextLook(long now, long wait)
    {
        if (_onGap is null)
        {
            return;
        }

        lock (_gapGate)
        {
            TellGap(now);
            Volatile.Write(ref _nextLook, now + wait);
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
            if (!TryFire(out long wait))
            {
                _wake.Wait(wait);
            }
        }

        lock (_gate)
        {
            _wake.Dispose();
        }
    }

    /// <summary>Runs the callback of a timer whose time has come.</summary>
    /// <param name="wait">If there is none: for how long to wait for one, in ns, or −1.</param>
    private bool TryFire(out long wait)
    {
        lock (_callbackGate)
        {
            Timer? due = TakeDue(out wait);
            if (_onGap is not null && (wait < 0 || wait > LongestWait))
            {
                wait = LongestWait;
            }

            NoteNextLook(HostNow(), due is null ? wait : 0);
            due?.Callback();
            return due is not null;
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
