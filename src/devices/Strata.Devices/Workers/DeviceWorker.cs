namespace Strata.Devices.Workers;

/// <summary>
/// The thread on which a device does what must not happen on a vCPU's: disk and network calls. It begins with the first
/// <see cref="Wake"/>. Safe on any thread.
/// </summary>
/// <param name="name">Of the thread, for tools.</param>
/// <param name="work">Does whatever there is to do; several wake-ups may become one call. It must not throw.</param>
public sealed class DeviceWorker(string name, Action work) : IDisposable
{
    private readonly object _gate = new(); // a monitor, as threads wait on it; over all fields
    private Thread? _thread;
    private bool _wanted;
    private bool _running;
    private int _parks;
    private bool _stopped;

    /// <summary>
    /// The work is done within <see cref="Wake"/>, for machines that do the same in every run. Set before the first call.
    /// </summary>
    public bool IsSynchronous { get; set; }

    /// <summary>There is work. Not under a lock that the work takes.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            _wanted = true;
            if (_stopped || _parks > 0)
            {
                return;
            }

            if (!IsSynchronous)
            {
                _thread ??= Begin();
                Monitor.PulseAll(_gate);
                return;
            }

            if (_running)
            {
                return; // the work wakes itself: the loop below sees it
            }
        }

        RunHere();
    }

    /// <summary>
    /// Returns when no work is under way; what is wanted from now on waits, until there were as many calls of <see cref="Unpark"/>. Not to
    /// be called from the work.
    /// </summary>
    public void Park()
    {
        lock (_gate)
        {
            _parks++;
            while (_running)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Ends a <see cref="Park"/>; the last one looks whether there is work.</summary>
    public void Unpark()
    {
        lock (_gate)
        {
            _parks = Math.Max(_parks - 1, 0);
        }

        Wake();
    }

    /// <summary>Returns when no work is under way; none begins any more.</summary>
    public void Dispose()
    {
        Thread? thread;
        lock (_gate)
        {
            _stopped = true;
            thread = _thread;
            Monitor.PulseAll(_gate);
        }

        thread?.Join();
    }

    private Thread Begin()
    {
        Thread thread = new(Run) { IsBackground = true, Name = name };
        thread.Start();
        return thread;
    }

    private void Run()
    {
        while (TryTake(waits: true))
        {
            work();
            Finish();
        }
    }

    private void RunHere()
    {
        while (TryTake(waits: false))
        {
            work();
            Finish();
        }
    }

    private bool TryTake(bool waits)
    {
        lock (_gate)
        {
            while (waits && !_stopped && (!_wanted || _parks > 0))
            {
                Monitor.Wait(_gate);
            }

            if (_stopped || _parks > 0 || !_wanted || (!waits && _running))
            {
                return false;
            }

            _wanted = false;
            _running = true;
            return true;
        }
    }

    private void Finish()
    {
        lock (_gate)
        {
            _running = false;
            Monitor.PulseAll(_gate);
        }
    }
}
