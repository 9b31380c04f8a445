using System.Runtime.InteropServices;

namespace Strata.X86.Direct.Stub;

/// <summary>
/// The C library's functions that the monitor of a stub needs. x86-64 Linux; the manual's sections 2 and 3 describe them.
/// </summary>
internal static unsafe partial class HostCalls
{
    public const int ProtectRead = 1;
    public const int ProtectWrite = 2;
    public const int ProtectExecute = 4;
    public const int MapShared = 1;
    public const int MapFixed = 0x10;
    public const int FutexWait = 0;
    public const int FutexWake = 1;
    public const int FutexRequeue = 3;
    public const int KillSignal = 9;
    public const int NoHang = 1;
    public const int Interrupted = 4; // EINTR
    public const uint CloseOnExec = 1; // MFD_CLOEXEC
    public const uint Executable = 0x10; // MFD_EXEC, since Linux 6.3

    /// <summary>AT_HWCAP2, and its bit for RDFSBASE and its kin.</summary>
    public const nuint Capabilities = 26;
    public const nuint SegmentBases = 2;

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateMemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int ControlDescriptor(int descriptor, int command, nint argument);

    /// <param name="actions">posix_spawn_file_actions_t.</param>
    /// <returns>An error number, or 0.</returns>
    [LibraryImport("libc", EntryPoint = "posix_spawn", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Spawn(int* process, string path, void* actions, void* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int InitializeActions(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int DestroyActions(void* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int AddDuplicate(void* actions, int descriptor, int asDescriptor);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    public static partial int WaitProcess(int process, int* status, int options);

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "tgkill")]
    public static partial int SignalThread(int process, int thread, int signal);

    [LibraryImport("libc", EntryPoint = "sched_yield")]
    public static partial int Yield();

    [LibraryImport("libc", EntryPoint = "getauxval")]
    public static partial nuint AuxiliaryValue(nuint type);

    /// <summary>CPU time of another process, in ns.</summary>
    public static long CpuTimeOf(int process)
    {
        const int whole = 2; // CPUCLOCK_SCHED
        TimeSpecification time = default;
        return ReadClock((~process << 3) | whole, &time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : 0;
    }

    /// <summary>CPU time of this thread, in ns.</summary>
    public static long ThreadCpuTime()
    {
        const int threadClock = 3; // CLOCK_THREAD_CPUTIME_ID
        TimeSpecification time = default;
        return ReadClock(threadClock, &time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : 0;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ReadClock(int clock, TimeSpecification* time);

    /// <summary>Waits while a word, which another process may write, has a value.</summary>
    /// <returns>-1 if the word had another value, time was up, or a signal came.</returns>
    public static int WaitWhile(void* word, uint value, TimeSpecification* limit) =>
        (int)Call((nint)HostCall.Futex, word, FutexWait, (nint)value, (nint)limit, null, 0);

    /// <returns>How many were woken.</returns>
    public static int WakeOne(void* word) => (int)Call((nint)HostCall.Futex, word, FutexWake, 1, 0, null, 0);

    /// <summary>Lets one who sleeps at a word sleep at another.</summary>
    /// <returns>1 if there was one: it sleeps until somebody wakes it there, or a signal does.</returns>
    public static int Move(void* from, void* to) => (int)Call((nint)HostCall.Futex, from, FutexRequeue, 0, 1, to, 0);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Call(nint number, void* word, nint operation, nint value, nint value2, void* word2, nint value3);

    /// <summary>struct timespec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
