namespace Strata.Virtio.Queue;

/// <summary>A thread of a device that serves some of its queues, one after the other, and the lock over them.</summary>
internal sealed class QueueWorker : IDisposable
{
    private readonly AutoResetEvent _work = new(initialState: false);
    private readonly Thread _thread;
    private readonly Action<QueueWorker> _drain;
    private volatile bool _stopped;

    /// <param name="queues">Indexes of its queues, in the order in which they are served.</param>
    /// <param name="drain">Serves what they hold; called after each <see cref="Wake"/>, several of which may become one.</param>
    public QueueWorker(string name, IReadOnlyList<int> queues, Action<QueueWorker> drain)
    {
        Queues = queues;
        _drain = drain;
        _thread = new Thread(Work) { IsBackground = true, Name = name };
    }

    public IReadOnlyList<int> Queues { get; }

    /// <summary>
    /// Whoever works on the queues is inside, until the interrupts for it have been sent: the worker's thread, and backends' threads.
    /// </summary>
    public ActivityGate Activity { get; } = new();

    /// <summary>Held by whoever touches the queues.</summary>
    public Lock Gate { get; } = new();

    public void Start() => _thread.Start();

    public void Wake() => _work.Set();

    /// <summary>The thread ends with what it is doing.</summary>
    public void Stop()
    {
        _stopped = true;
        _work.Set();
    }

    /// <summary>Returns when the thread has ended. The event stays: others may still ring.</summary>
    public void Dispose()
    {
        Stop();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    private void Work()
    {
        while (!_stopped)
        {
            _work.WaitOne();
            _drain(this);
        }
    }
}
