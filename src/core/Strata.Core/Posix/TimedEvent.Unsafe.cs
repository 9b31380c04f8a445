using System.Runtime.InteropServices;

namespace Strata.Core.Posix;

/// <summary>
/// An event to wait for with nanosecond time-outs: eventfd(2) and ppoll(2). .NET's own waits round up to milliseconds, which is
/// too coarse for guest timers. <see cref="Set"/> is safe on any thread.
/// </summary>
public sealed unsafe partial class TimedEvent : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const short PollIn = 1;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private readonly int _descriptor;

    public TimedEvent()
    {
        _descriptor = EventFd(0, CloseOnExec | NonBlocking);
        if (_descriptor < 0)
        {
            throw new IOException($"The host has no event descriptor left (errno {Marshal.GetLastPInvokeError()}). Close files or raise `ulimit -n`.");
        }
    }

    public void Set()
    {
        ulong one = 1;

        // SAFETY: eight bytes of a local. A full counter is set already.
        _ = Write(_descriptor, &one, sizeof(ulong));
    }

    /// <summary>Waits until the event is set, and resets it, or until the time has passed.</summary>
    /// <param name="nanoseconds">Negative: no limit.</param>
    public void Wait(long nanoseconds)
    {
        PollDescriptor poll = new() { Descriptor = _descriptor, Events = PollIn };
        TimeSpec limit = new() { Seconds = nanoseconds / NanosecondsPerSecond, Nanoseconds = nanoseconds % NanosecondsPerSecond };
        ulong count;

        // SAFETY: locals only. A signal ends the wait early, which callers allow for; the read fails if nothing is set.
        _ = PPoll(&poll, 1, nanoseconds < 0 ? null : &limit, null);
        _ = Read(_descriptor, &count, sizeof(ulong));
    }

    public void Dispose() => _ = Close(_descriptor);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static partial int PPoll(PollDescriptor* descriptors, nuint count, TimeSpec* limit, void* signals);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, void* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, void* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
