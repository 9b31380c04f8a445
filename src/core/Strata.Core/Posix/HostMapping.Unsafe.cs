using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Strata.Core.Posix;

/// <summary>
/// Host memory by mmap(2). Anonymous: zero-filled, lazily backed, with huge pages where the host offers them. Of a file: shared with it, or
/// private, which reads the file lazily and keeps writes to itself.
/// </summary>
public static partial class HostMapping
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int ProtExecute = 4;
    private const int MapShared = 1;
    private const int MapPrivate = 2;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;
    private const int AdviseDontNeed = 4;
    private const int AdviseRemove = 9;
    private const int AdviseHugePage = 14;
    private const int AdvisePopulateWrite = 23;

    /// <summary>Maps <paramref name="size"/> bytes for reading and writing.</summary>
    /// <exception cref="InsufficientMemoryException">The host refused; the message names errno.</exception>
    public static nint Reserve(ulong size) => ReserveSparse(size, 0);

    /// <summary>
    /// The same, with huge pages from an offset on only: a beginning that may be all that is used costs no more than it needs.
    /// </summary>
    /// <param name="smallPages">Bytes, a multiple of the host's page size; at most the size.</param>
    /// <exception cref="InsufficientMemoryException">The host refused; the message names errno.</exception>
    public static nint ReserveSparse(ulong size, ulong smallPages)
    {
        nint address = Map(0, (nuint)size, ProtRead | ProtWrite, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (address == -1)
        {
            throw new InsufficientMemoryException(
                $"The host cannot map {size >> 20} MiB of memory (errno {Marshal.GetLastPInvokeError()}). Use less guest memory.");
        }

        // Advice only: a host without huge pages serves small ones.
        _ = Advise(address + (nint)smallPages, (nuint)(size - smallPages), AdviseHugePage);
        return address;
    }

    /// <summary>Maps <paramref name="size"/> bytes for emitted code: readable, writable and executable.</summary>
    /// <exception cref="PlatformNotSupportedException">The host forbids such memory.</exception>
    public static nint ReserveExecutable(ulong size)
    {
        nint address = Map(0, (nuint)size, ProtRead | ProtWrite | ProtExecute, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (address == -1)
        {
            throw new PlatformNotSupportedException(
                $"The host forbids executable memory (errno {Marshal.GetLastPInvokeError()}). Use --engine interpreter.");
        }

        _ = Advise(address, (nuint)size, AdviseHugePage);
        return address;
    }

    /// <summary>Maps a file for reading and writing.</summary>
    /// <param name="isShared">Writes go to the file; otherwise they stay in the mapping.</param>
    /// <param name="place">Replaces what is mapped there, in one step for whoever reads it; zero for a place of the host's choice.</param>
    /// <exception cref="InsufficientMemoryException">The host refused; the message names errno.</exception>
    public static nint MapFile(int descriptor, ulong offset, ulong size, bool isShared, nint place = 0)
    {
        int flags = (isShared ? MapShared : MapPrivate) | MapNoReserve | (place == 0 ? 0 : MapFixed);
        nint address = Map(place, (nuint)size, ProtRead | ProtWrite, flags, descriptor, (long)offset);
        return address != -1 ? address : throw new InsufficientMemoryException(
            $"The host cannot map {size >> 20} MiB of a file (errno {Marshal.GetLastPInvokeError()}). Put it on a local file system, or " +
            $"use less guest memory.");
    }

    /// <summary>A file in memory, without a name that others could open.</summary>
    /// <param name="name">Shown in /proc for people.</param>
    /// <exception cref="InsufficientMemoryException">The host refused; the message names errno.</exception>
    public static SafeFileHandle CreateMemoryFile(string name, ulong size)
    {
        int descriptor = CreateMemory(name, CloseOnExec);
        SafeFileHandle file = new(descriptor, ownsHandle: true);
        if (descriptor < 0 || Truncate(descriptor, (long)size) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            file.Dispose();
            throw new InsufficientMemoryException(
                $"The host cannot make a file of {size >> 20} MiB in memory (errno {error}). Use less guest memory.");
        }

        return file;
    }

    /// <summary>
    /// Gives pages of a shared mapping of a memory file back to the host, for everybody who maps it; they read as zeros from now on.
    /// </summary>
    /// <returns>False if the host refused.</returns>
    public static bool DiscardShared(nint address, ulong size) => Advise(address, (nuint)size, AdviseRemove) == 0;

    /// <summary>Puts zeros in the place of a part of a private mapping.</summary>
    /// <returns>False if the host refused; nothing has changed then.</returns>
    public static bool ReplaceByZeros(nint address, ulong size) =>
        Map(address, (nuint)size, ProtRead | ProtWrite, MapPrivate | MapAnonymous | MapNoReserve | MapFixed, -1, 0) != -1;

    /// <summary>Where a file has something else than a hole, from an offset on.</summary>
    /// <returns>False if there is nothing more.</returns>
    public static bool TryFindData(int descriptor, ref ulong offset, out ulong end)
    {
        const int data = 3; // SEEK_DATA
        const int hole = 4; // SEEK_HOLE
        end = 0;
        long start = Seek(descriptor, (long)offset, data);
        if (start < 0)
        {
            return false;
        }

        offset = (ulong)start;
        end = (ulong)Seek(descriptor, start, hole);
        return true;
    }

    /// <summary>
    /// Makes the pages of a range now that a write would make, whether others use it meanwhile or not. Advice: hosts before Linux 5.14 do
    /// nothing.
    /// </summary>
    public static void Populate(nint address, ulong size) => _ = Advise(address, (nuint)size, AdvisePopulateWrite);

    /// <summary>Gives pages of an anonymous mapping back to the host; they read as zeros from now on.</summary>
    /// <returns>False if the host refused.</returns>
    public static bool Discard(nint address, ulong size) => Advise(address, (nuint)size, AdviseDontNeed) == 0;

    public static void Release(nint address, ulong size) => _ = Unmap(address, (nuint)size);

    private const uint CloseOnExec = 1;

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int CreateMemory(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int Truncate(int descriptor, long size);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(int descriptor, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
