namespace Strata.X86.Kvm;

/// <summary>
/// Keeps all vCPUs out of their guest while memory slots are exchanged. A slot can only be replaced, so for a moment nothing lies there: a
/// vCPU that KVM runs meanwhile would find its page tables or its stack gone, and shut down. Safe on any thread; one closes it at a time.
/// </summary>
internal sealed class GuestGate
{
    /// <summary>What makes a vCPU leave its guest; under itself.</summary>
    private readonly List<Action> _signals = [];
    private int _inside;
    private bool _isClosed;

    public void Join(Action signal)
    {
        lock (_signals)
        {
            _signals.Add(signal);
        }
    }

    public void Part(Action signal)
    {
        lock (_signals)
        {
            _signals.Remove(signal);
        }
    }

    /// <summary>A vCPU is about to enter its guest; <see cref="Leave"/> follows.</summary>
    /// <returns>False if it must not: <see cref="WaitUntilOpen"/>, and look at everything again.</returns>
    public bool TryEnter()
    {
        Interlocked.Increment(ref _inside);
        if (!Volatile.Read(ref _isClosed))
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>As <see cref="TryEnter"/>, behind a closed gate's opening.</summary>
    public void Enter()
    {
        while (!TryEnter())
        {
            WaitUntilOpen();
        }
    }

    public void Leave() => Interlocked.Decrement(ref _inside);

    public void WaitUntilOpen()
    {
        SpinWait spin = default;
        while (Volatile.Read(ref _isClosed))
        {
            spin.SpinOnce();
        }
    }

    /// <summary>Brings all vCPUs out, and keeps them there. Not for a thread that has entered.</summary>
    public void Close()
    {
        Volatile.Write(ref _isClosed, true);
        Interlocked.MemoryBarrier(); // whoever enters behind this sees it closed, or is seen inside
        SpinWait spin = default;
        while (Volatile.Read(ref _inside) != 0)
        {
            lock (_signals)
            {
                _signals.ForEach(signal => signal()); // again, as one may have come before its vCPU listened
            }

            spin.SpinOnce();
        }
    }

    public void Open() => Volatile.Write(ref _isClosed, false);
}
