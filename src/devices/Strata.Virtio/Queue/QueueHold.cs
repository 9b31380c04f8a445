namespace Strata.Virtio.Queue;

/// <summary>All queues of a device held at once: its workers' locks, taken in their order and left in the opposite one.</summary>
public readonly ref struct QueueHold
{
    private readonly QueueWorker[] _workers;

    internal QueueHold(QueueWorker[] workers)
    {
        _workers = workers;
        foreach (QueueWorker worker in workers)
        {
            worker.Gate.Enter();
        }
    }

    public void Dispose()
    {
        for (int i = _workers.Length - 1; i >= 0; i--)
        {
            _workers[i].Gate.Exit();
        }
    }
}
