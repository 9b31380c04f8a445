using Strata.X86.Kvm.Interface;

namespace Strata.X86.Kvm;

/// <summary>
/// Ends KVM_RUN on another thread. The signal is blocked on the vCPU's thread and let through inside KVM_RUN only, which then
/// returns: nobody needs a handler, and none is ever called.
/// </summary>
internal sealed unsafe class KickSignal
{
    /// <summary>A real-time signal that neither the C library (32, 33) nor .NET (34) uses.</summary>
    private const int Signal = 42;

    private const ulong Mask = 1UL << (Signal - 1);
    private const int Outside = 0;
    private const int Inside = 1;
    private const int Signalled = 2;

    private int _place;
    private int _hostThread;
    private int _managedThread = -1;

    /// <summary>The calling thread is the vCPU's from now on.</summary>
    public void BindThread()
    {
        if (_managedThread == Environment.CurrentManagedThreadId)
        {
            return;
        }

        // SAFETY: a signal set of glibc is 1,024 bits.
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[0] = Mask;
        _ = HostCalls.MaskSignals(HostCalls.BlockSignals, set, null);
        _hostThread = HostCalls.GetThreadId();
        _managedThread = Environment.CurrentManagedThreadId;
    }

    /// <summary>From here on <see cref="Send"/> signals. The caller looks for requests after this.</summary>
    public void Enter()
    {
        Volatile.Write(ref _place, Inside);
        Interlocked.MemoryBarrier();
    }

    public void Leave() => Volatile.Write(ref _place, Outside);

    /// <summary>Takes signals that have arrived; on the vCPU's thread.</summary>
    public static void Drain()
    {
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[0] = Mask;
        long* noTime = stackalloc long[2];
        noTime[0] = noTime[1] = 0;
        while (HostCalls.TakeSignal(set, null, noTime) == Signal)
        {
            // the next one, if several are queued
        }
    }

    /// <summary>Any thread; the request is visible before.</summary>
    public void Send()
    {
        Interlocked.MemoryBarrier();
        if (Interlocked.CompareExchange(ref _place, Signalled, Inside) == Inside)
        {
            _ = HostCalls.SignalThread(Environment.ProcessId, _hostThread, Signal);
        }
    }
}
