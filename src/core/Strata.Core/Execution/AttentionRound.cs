namespace Strata.Core.Execution;

/// <summary>
/// Something that every vCPU does at its next attention point, and that somebody may wait for. Whoever asks makes a round and tells the
/// engines; an engine that cannot act at once joins, and settles its ticket when it has acted.
/// </summary>
public sealed class AttentionRound
{
    private readonly object _gate = new();
    private int _left = 1; // the asker's own share, until it waits

    /// <summary>Nobody is left who has joined and not settled.</summary>
    public bool IsOver => Volatile.Read(ref _left) <= 1;

    /// <summary>Called while the round is told to the engines.</summary>
    public AttentionTicket Join()
    {
        Interlocked.Increment(ref _left);
        return new AttentionTicket(this);
    }

    /// <summary>
    /// Waits for all that joined; once, by the asker. Never on a vCPU's thread: two vCPUs that wait for each other would do so for ever.
    /// </summary>
    public void Wait()
    {
        Leave();
        // A vCPU that computes hears of it within that time.
        SpinWait.SpinUntil(() => Volatile.Read(ref _left) == 0, TimeSpan.FromMilliseconds(1));
        lock (_gate)
        {
            while (Volatile.Read(ref _left) != 0)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    internal void Leave()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            lock (_gate)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }
}

/// <summary>One engine's share in a round. Safe on any thread.</summary>
public sealed class AttentionTicket
{
    private AttentionRound? _round;

    internal AttentionTicket(AttentionRound round) => _round = round;

    /// <summary>The engine has acted, or cannot run guest code before it does. More than one call counts once.</summary>
    public void Settle() => Interlocked.Exchange(ref _round, null)?.Leave();
}
