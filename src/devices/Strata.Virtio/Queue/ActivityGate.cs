namespace Strata.Virtio.Queue;

/// <summary>
/// Counts who is at work, and keeps everybody away while it is closed. Coming and going cost one interlocked addition each. The same
/// thread may enter several times.
/// </summary>
internal sealed class ActivityGate
{
    private const int Closed = int.MinValue; // the sign; the other bits are the number of those inside

    private readonly object _left = new();
    private int _state;

    /// <returns>False while the gate is closed or closes: nothing may be touched then.</returns>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _state) > 0)
        {
            return true;
        }

        Exit();
        return false;
    }

    public void Exit()
    {
        if (Interlocked.Decrement(ref _state) == Closed)
        {
            lock (_left)
            {
                Monitor.PulseAll(_left);
            }
        }
    }

    /// <summary>Lets nobody in any more, and returns when those inside have left. Not to be called from inside.</summary>
    public void Close()
    {
        Interlocked.Or(ref _state, Closed);
        lock (_left)
        {
            while (Volatile.Read(ref _state) != Closed)
            {
                Monitor.Wait(_left);
            }
        }
    }

    public void Open() => Interlocked.And(ref _state, ~Closed);
}
