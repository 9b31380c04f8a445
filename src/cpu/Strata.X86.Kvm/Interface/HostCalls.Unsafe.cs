using System.Runtime.InteropServices;

namespace Strata.X86.Kvm.Interface;

/// <summary>The C library's functions that the engine needs. x86-64 Linux.</summary>
internal static unsafe partial class HostCalls
{
    public const int NotPermitted = 1; // EPERM
    public const int NotFound = 2; // ENOENT
    public const int Interrupted = 4; // EINTR
    public const int NoDevice = 6; // ENXIO
    public const int Again = 11; // EAGAIN
    public const int AccessDenied = 13; // EACCES
    public const int Busy = 16; // EBUSY
    public const int NoSuchDevice = 19; // ENODEV
    public const int Invalid = 22; // EINVAL
    public const int TooManyFiles = 24; // EMFILE

    public const int OpenReadWrite = 2;
    public const int OpenCloseOnExec = 0x80000;
    public const int ProtectReadWrite = 3;
    public const int MapShared = 1;
    public const int BlockSignals = 0;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(int descriptor, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(int descriptor, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial void* Map(void* address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "gettid")]
    public static partial int GetThreadId();

    [LibraryImport("libc", EntryPoint = "tgkill")]
    public static partial int SignalThread(int process, int thread, int signal);

    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    public static partial int MaskSignals(int how, void* set, void* old);

    [LibraryImport("libc", EntryPoint = "sigtimedwait")]
    public static partial int TakeSignal(void* set, void* information, void* timeout);
}
