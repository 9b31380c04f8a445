namespace Strata.Core.Execution;

/// <summary>
/// Counts the processors of one machine that are awake, against the processors of the host. Members are safe on any thread.
/// </summary>
public sealed class AwakeProcessors
{
    private readonly int _places = Environment.ProcessorCount;
    private int _awake;

    /// <summary>Whether a processor that is awake may go on looking out for a wake-up.</summary>
    public bool MayLookOut => _places > 1 && Volatile.Read(ref _awake) <= _places;

    /// <summary>A processor wakes up.</summary>
    public void Join() => Interlocked.Increment(ref _awake);

    /// <summary>A processor goes to sleep.</summary>
    public void Leave() => Interlocked.Decrement(ref _awake);
}
