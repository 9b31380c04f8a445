using System.Runtime.InteropServices;
using static Strata.Core.Posix.DescriptorCalls;

namespace Strata.Core.Posix;

/// <summary>
/// An event to wait for with nanosecond time-outs: eventfd(2) and ppoll(2). .NET's own waits round up to milliseconds, which is
/// too coarse for guest timers. <see cref="Set"/> is safe on any thread.
/// </summary>
public sealed unsafe class TimedEvent : IDisposable
{
    private const long NanosecondsPerSecond = 1_000_000_000;
    private int _descriptor = CreateEvent();

    public void Set() => SetEvent(_descriptor);

    /// <summary>Waits until the event is set, and resets it, or until the time has passed.</summary>
    /// <param name="nanoseconds">Negative: no limit.</param>
    public void Wait(long nanoseconds)
    {
        PollDescriptor poll = new() { Descriptor = _descriptor, Events = PollIn };
        TimeSpecification limit = new() { Seconds = nanoseconds / NanosecondsPerSecond, Nanoseconds = nanoseconds % NanosecondsPerSecond };
        ulong count;

        // SAFETY: locals only. A signal ends the wait early, which callers allow for; the read fails if nothing is set.
        _ = Poll(&poll, 1, nanoseconds < 0 ? null : &limit, null);
        _ = Read(_descriptor, &count, sizeof(ulong));
    }

    /// <summary>Not while another thread waits or sets. A second time does nothing: the number may be another file's by then.</summary>
    public void Dispose()
    {
        int descriptor = Interlocked.Exchange(ref _descriptor, -1);
        if (descriptor >= 0)
        {
            _ = Close(descriptor);
        }
    }
}
