namespace Strata.Devices.Storage;

/// <summary>Runs one piece of work after the other on threads of the pool. Any thread.</summary>
internal sealed class IdeWorker
{
    private readonly object _gate = new();
    private readonly Queue<Action> _waiting = new(); // under _gate
    private bool _isRunning; // under _gate

    /// <summary>Runs work on the caller's thread, for machines that do the same in every run.</summary>
    public bool IsSynchronous { get; set; }

    public void Post(Action work)
    {
        lock (_gate)
        {
            _waiting.Enqueue(work);
            if (_isRunning)
            {
                return;
            }

            _isRunning = true;
        }

        if (IsSynchronous)
        {
            RunAll();
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static worker => worker.RunAll(), this, preferLocal: false);
        }
    }

    /// <summary>Waits until all work is done. Holding no lock that work takes.</summary>
    public void WaitUntilIdle()
    {
        lock (_gate)
        {
            while (_isRunning)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Waits until all work is done, or for so long. Holding no lock that work takes.</summary>
    public void WaitUntilIdle(TimeSpan patience)
    {
        lock (_gate)
        {
            if (_isRunning)
            {
                Monitor.Wait(_gate, patience);
            }
        }
    }

    private void RunAll()
    {
        while (true)
        {
            Action work;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out Action? next))
                {
                    _isRunning = false;
                    Monitor.PulseAll(_gate);
                    return;
                }

                work = next;
            }

            work();
        }
    }
}
