using System.Diagnostics;
using Strata.Core.Posix;

#pragma warning disable RS0030 // How long the host takes to wake a thread is the host's time, not the guest's.

namespace Strata.Core.Execution;

/// <summary>
/// Where a halted processor waits. It looks out for its wake-up for a while before it gives the host's processor back, as to be woken
/// by the host takes tens of microseconds. For how long follows from the waits before: it doubles where a wake-up came soon after it
/// had given up, and ends where none came. Never more processors of a machine run or look out than the host has.
/// </summary>
/// <param name="awake">Shared by the machine's processors.</param>
public sealed class HaltGate(AwakeProcessors awake) : IDisposable
{
    private const int None = 0;
    private const int Signaled = 1;
    private const int Asleep = 2;

    /// <summary>Bounds of looking out, in ns. A wait beyond the longest is not worth it.</summary>
    private const long Shortest = 10_000;
    private const long Longest = 200_000;

    /// <summary>Between two looks, in the units of <see cref="Thread.SpinWait"/>: a fraction of a microsecond.</summary>
    private const int Pause = 10;

    private readonly TimedEvent _event = new();
    private int _state;
    private long _lookOut;

    /// <summary>Ends the present wait, or the next one at once. Safe on any thread.</summary>
    public void Signal()
    {
        if (Interlocked.Exchange(ref _state, Signaled) == Asleep)
        {
            _event.Set();
        }
    }

    /// <summary>Returns behind a signal; several before it count as one.</summary>
    public void Wait()
    {
        long begun = Stopwatch.GetTimestamp();
        if (!LookOut(begun))
        {
            Sleep();
            Adapt((long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds);
        }

        Interlocked.Exchange(ref _state, None); // what the signal announced is looked for behind this
    }

    public void Dispose() => _event.Dispose();

    private bool LookOut(long begun)
    {
        while (Volatile.Read(ref _state) != Signaled)
        {
            if (!awake.MayLookOut || Stopwatch.GetElapsedTime(begun).TotalNanoseconds >= _lookOut)
            {
                return false;
            }

            Thread.SpinWait(Pause);
        }

        return true;
    }

    private void Sleep()
    {
        if (Interlocked.CompareExchange(ref _state, Asleep, None) != None)
        {
            return;
        }

        awake.Leave();
        while (Volatile.Read(ref _state) != Signaled)
        {
            _event.Wait(nanoseconds: -1);
        }

        awake.Join();
    }

    /// <param name="waited">Time of a wait that looking out did not end, in ns.</param>
    private void Adapt(long waited) =>
        _lookOut = waited > Longest ? 0 : Math.Clamp(2 * _lookOut, Shortest, Longest);
}
