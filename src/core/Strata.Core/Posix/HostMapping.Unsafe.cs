using System.Runtime.InteropServices;

namespace Strata.Core.Posix;

/// <summary>Anonymous host memory by mmap(2): zero-filled, lazily backed, with huge pages where the host offers them.</summary>
public static partial class HostMapping
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int ProtExecute = 4;
    private const int MapPrivate = 2;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;
    private const int AdviseDontNeed = 4;
    private const int AdviseHugePage = 14;

    /// <summary>Maps <paramref name="size"/> bytes for reading and writing.</summary>
    /// <exception cref="InsufficientMemoryException">The host refused; the message names errno.</exception>
    public static nint Reserve(ulong size)
    {
        nint address = Map(0, (nuint)size, ProtRead | ProtWrite, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (address == -1)
        {
            throw new InsufficientMemoryException($"The host cannot map {size >> 20} MiB of memory (errno {Marshal.GetLastPInvokeError()}). Use less guest memory.");
        }

        // Advice only: a host without huge pages serves small ones.
        _ = Advise(address, (nuint)size, AdviseHugePage);
        return address;
    }

    /// <summary>Maps <paramref name="size"/> bytes for emitted code: readable, writable and executable.</summary>
    /// <exception cref="PlatformNotSupportedException">The host forbids such memory.</exception>
    public static nint ReserveExecutable(ulong size)
    {
        nint address = Map(0, (nuint)size, ProtRead | ProtWrite | ProtExecute, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (address == -1)
        {
            throw new PlatformNotSupportedException($"The host forbids executable memory (errno {Marshal.GetLastPInvokeError()}). Use --engine interpreter.");
        }

        _ = Advise(address, (nuint)size, AdviseHugePage);
        return address;
    }

    /// <summary>Gives pages of an anonymous mapping back to the host; they read as zeros from now on.</summary>
    /// <returns>False if the host refused.</returns>
    public static bool Discard(nint address, ulong size) => Advise(address, (nuint)size, AdviseDontNeed) == 0;

    public static void Release(nint address, ulong size) => _ = Unmap(address, (nuint)size);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
