using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>
/// A clock that only moves when told to: deterministic runs and tests. <see cref="Advance"/> fires due timers on the calling thread.
/// </summary>
public sealed class ManualClock : IVirtualClock, IUnit<ClockState>
{
    private readonly Lock _gate = new();
    private readonly List<Timer> _armed = [];
    private long _now;

    public string UnitName => "clock";

    public long Now => Volatile.Read(ref _now);

    /// <summary>The deadline of the earliest armed timer, in nanoseconds, or null when none is armed.</summary>
    public long? NextDeadline
    {
        get
        {
            lock (_gate)
            {
                return _armed.Count == 0 ? null : _armed.Min(timer => timer.Deadline);
            }
        }
    }

    public IVirtualTimer CreateTimer(Action callback) => new Timer(this, callback);

    /// <summary>Moves time forward by <paramref name="nanoseconds"/>, stopping at each deadline on the way.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative, or leads beyond 2^63 − 1 nanoseconds (292 years).</exception>
    public void Advance(long nanoseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(nanoseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(nanoseconds, long.MaxValue - Now);
        long target = Now + nanoseconds;
        while (TakeDue(target) is { } timer)
        {
            timer.Callback();
        }

        Volatile.Write(ref _now, target);
    }

    /// <summary>Does nothing: virtual time never goes back while a machine lives.</summary>
    public void Reset()
    {
    }

    public ClockState SaveState() => new() { Now = Now };

    /// <summary>Timers stay armed: whoever owns them arms them anew.</summary>
    public void LoadState(ClockState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _now, state.Now);
    }

    private Timer? TakeDue(long target)
    {
        lock (_gate)
        {
            Timer? first = _armed.Where(timer => timer.Deadline <= target).MinBy(timer => timer.Deadline);
            if (first is not null)
            {
                _armed.Remove(first);
                Volatile.Write(ref _now, Math.Max(_now, first.Deadline));
            }

            return first;
        }
    }

    private sealed class Timer(ManualClock clock, Action callback) : IVirtualTimer
    {
        public long Deadline { get; private set; }

        public Action Callback => callback;

        public void Arm(long deadline)
        {
            lock (clock._gate)
            {
                Deadline = deadline;
                if (!clock._armed.Contains(this))
                {
                    clock._armed.Add(this);
                }
            }
        }

        public void Disarm()
        {
            lock (clock._gate)
            {
                clock._armed.Remove(this);
            }
        }

        public void Dispose() => Disarm();
    }
}
