using Strata.Core.State;

namespace Strata.Core.Time;

/// <summary>
/// A machine's wall time, UTC: virtual time from an origin. Whoever has it from here agrees: the RTC, and the paravirtual clocks.
/// It stands still with virtual time, so it is behind the world's after a stop; <see cref="Step"/> takes it there. Any thread.
/// </summary>
/// <param name="clock">The machine's virtual time.</param>
/// <param name="origin">Wall time at virtual time zero, UTC.</param>
/// <param name="world">The world's time, UTC, for a machine that follows it; null for one that lives in a time of its own.</param>
public sealed class WallClock(IVirtualClock clock, DateTime origin, Func<DateTime>? world = null) : IUnit<WallClockState>
{
    private const long NanosecondsPerTick = TimeSpan.NanosecondsPerTick;
    private const int PairingAttempts = 5;
    private const long GoodPairing = 2_000; // ns

    // Guest-visible state
    private long _origin = origin.Ticks;

    /// <summary>The wall time has been moved forward, or back if negative. Called on the thread that does it.</summary>
    public event Action<TimeSpan>? Stepped;

    public string UnitName => "wall-clock";

    /// <summary>Wall time at virtual time zero.</summary>
    public DateTime Origin => new(Volatile.Read(ref _origin), DateTimeKind.Utc);

    /// <summary>Wall time now; the calendar ends with the year 9999 and stands still there.</summary>
    public DateTime UtcNow => At(clock.Now);

    /// <summary>Wall time at a moment of virtual time.</summary>
    /// <param name="now">Virtual time, in ns; not negative.</param>
    public DateTime At(long now)
    {
        long start = Volatile.Read(ref _origin);
        return new DateTime(start + Math.Min(now / NanosecondsPerTick, DateTime.MaxValue.Ticks - start), DateTimeKind.Utc);
    }

    /// <summary>Moves the wall time, as far as the calendar goes.</summary>
    /// <param name="by">Forward, or back if negative.</param>
    public void Step(TimeSpan by)
    {
        long start = Volatile.Read(ref _origin);
        TimeSpan possible = new(Math.Clamp(by.Ticks, -start, DateTime.MaxValue.Ticks - start));
        Volatile.Write(ref _origin, start + possible.Ticks);
        Stepped?.Invoke(possible);
    }

    /// <summary>Makes it a certain moment now.</summary>
    public void StepTo(DateTime utcNow) => Step(utcNow - UtcNow);

    /// <summary>
    /// Steps to the world's time: when a machine starts, and when it goes on after a stop. The clock runs already, as the time until it
    /// does would be missing.
    /// </summary>
    public void FollowWorld()
    {
        if (world is not null)
        {
            DateTime time = ReadWorld(out long now);
            Step(time - At(now));
        }
    }

    /// <summary>The world's time, or the machine's where that is its world, and the virtual time at which it was so.</summary>
    /// <param name="now">Virtual time, in ns.</param>
    public DateTime ReadWorld(out long now)
    {
        if (world is null)
        {
            now = clock.Now;
            return At(now);
        }

        // A thread that loses its processor in between would pair times that do not belong together.
        DateTime time = default;
        now = 0;
        long shortest = long.MaxValue;
        for (int i = 0; i < PairingAttempts && shortest > GoodPairing; i++)
        {
            long before = clock.Now;
            DateTime candidate = world();
            long took = clock.Now - before;
            if (took < shortest)
            {
                (shortest, now, time) = (took, before + (took / 2), candidate);
            }
        }

        return time;
    }

    /// <summary>Does nothing: the time goes on over a machine's reset.</summary>
    public void Reset()
    {
    }

    public WallClockState SaveState() => new() { Origin = Volatile.Read(ref _origin) };

    public void LoadState(WallClockState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Volatile.Write(ref _origin, state.Origin);
    }
}
