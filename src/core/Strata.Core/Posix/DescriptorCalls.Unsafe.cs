using System.Runtime.InteropServices;

namespace Strata.Core.Posix;

/// <summary>
/// The C library's functions for file descriptors that can be waited for, as the Linux manual's sections 2 describe them.
/// </summary>
internal static unsafe partial class DescriptorCalls
{
    /// <summary>O_CLOEXEC, and EFD_CLOEXEC and EPOLL_CLOEXEC with it.</summary>
    public const int CloseOnExec = 0x80000;

    /// <summary>O_NONBLOCK and EFD_NONBLOCK.</summary>
    public const int NonBlocking = 0x800;

    /// <summary>POLLIN: reading would not block.</summary>
    public const short PollIn = 1;

    /// <summary>POLLOUT: writing would not block.</summary>
    public const short PollOut = 4;

    /// <param name="flags">Access mode, <see cref="CloseOnExec"/>, <see cref="NonBlocking"/>.</param>
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    public static partial int CreateEvent(uint value, int flags);

    /// <summary>An event that does not block its reader.</summary>
    /// <exception cref="IOException">The host has no descriptor left.</exception>
    public static int CreateEvent()
    {
        int descriptor = CreateEvent(0, CloseOnExec | NonBlocking);
        return descriptor >= 0 ? descriptor : throw NoneLeft();
    }

    /// <summary>Why there is no event or epoll descriptor; right behind the call that failed.</summary>
    public static IOException NoneLeft() =>
        new($"The host has no event descriptor left (errno {Marshal.GetLastPInvokeError()}). Close files or raise `ulimit -n`.");

    /// <param name="milliseconds">Negative: no limit.</param>
    [LibraryImport("libc", EntryPoint = "poll")]
    public static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    /// <param name="limit">Null: no limit.</param>
    /// <param name="signals">Null: the thread's signal mask stays.</param>
    [LibraryImport("libc", EntryPoint = "ppoll")]
    public static partial int Poll(PollDescriptor* descriptors, nuint count, TimeSpecification* limit, void* signals);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, void* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, void* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    /// <summary>Adds one to an event's counter, so that it can be read. A full counter is set already.</summary>
    public static void SetEvent(int descriptor)
    {
        ulong one = 1;

        // SAFETY: eight bytes of a local.
        _ = Write(descriptor, &one, sizeof(ulong));
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <summary>struct timespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
