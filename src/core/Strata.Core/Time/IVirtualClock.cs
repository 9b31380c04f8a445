namespace Strata.Core.Time;

/// <summary>A machine's only source of time. It stands still while the machine is paused.</summary>
public interface IVirtualClock
{
    /// <summary>Nanoseconds since the machine was started, not counting pauses. Never goes back. Any thread.</summary>
    long Now { get; }

    /// <summary>
    /// Creates a disarmed one-shot timer. <paramref name="callback"/> runs on the clock's thread with no lock of the clock held.
    /// </summary>
    IVirtualTimer CreateTimer(Action callback);
}

/// <summary>A one-shot timer on a virtual clock. Arming again replaces the deadline. Any thread.</summary>
public interface IVirtualTimer : IDisposable
{
    /// <param name="deadline">Nanoseconds on <see cref="IVirtualClock.Now"/>; one in the past fires at once.</param>
    void Arm(long deadline);

    /// <summary>A callback that is already under way may still run once: the owner checks its own state under its own lock.</summary>
    void Disarm();
}
