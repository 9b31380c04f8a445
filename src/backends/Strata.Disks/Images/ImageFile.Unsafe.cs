using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Strata.Disks.Images;

// Holes: lseek(2) with SEEK_DATA and SEEK_HOLE, fallocate(2) with FALLOC_FL_PUNCH_HOLE. Kinds of files: statx(2).
public partial class ImageFile
{
    private const int SeekFromEnd = 2;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int KeepSize = 1;
    private const int HolePunch = 2;
    private const int Interrupted = 4; // EINTR
    private const int NoSuchAddress = 6; // ENXIO: no data behind the offset
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int StatusSize = 256; // struct statx
    private const int ModeOffset = 28; // of stx_mode, 16 bits
    private const uint TypeWanted = 1; // STATX_TYPE
    private const int TypeMask = 0xF000;
    private const int TypePipe = 0x1000;
    private const int TypeCharacters = 0x2000;
    private const int TypeSocket = 0xC000;

    /// <summary>
    /// How the range starts: a run of data, or of a hole, which reads as zeros. Without help of the file system all is data.
    /// </summary>
    /// <returns>Bytes, at least 1 and at most <paramref name="length"/>, and whether they may be other than zeros.</returns>
    public (long Length, bool IsData) FindExtent(long offset, long length)
    {
        if (offset >= Length)
        {
            return (length, false);
        }

        // SAFETY: these calls take no pointer; the handle is kept alive by the marshaller.
        long data = Seek(_handle, offset, SeekData);
        if (data < 0)
        {
            return (length, Marshal.GetLastPInvokeError() != NoSuchAddress);
        }

        if (data > offset)
        {
            return (Math.Min(data - offset, length), false);
        }

        long hole = Seek(_handle, offset, SeekHole);
        return (hole > offset ? Math.Min(hole - offset, length) : length, true);
    }

    /// <summary>Gives the space of a range inside the file back; it then reads as zeros.</summary>
    /// <returns>False where the host or its file system cannot; the file is then unchanged.</returns>
    private protected virtual bool PunchHole(long offset, long length)
    {
        int result;
        do
        {
            result = Allocate(_handle, HolePunch | KeepSize, offset, length);
        }
        while (result != 0 && Marshal.GetLastPInvokeError() == Interrupted);

        return result == 0;
    }

    /// <summary>A pipe, which opening would wait at for somebody at its other end; or a socket or a device of characters.</summary>
    private static bool IsStream(string path)
    {
        byte[] status = new byte[StatusSize];

        // SAFETY: the kernel writes a struct statx, whose size the array has; the marshaller pins it and ends the path with a zero.
        return Status(CurrentFolder, path, 0, TypeWanted, status) == 0
            && (BitConverter.ToUInt16(status, ModeOffset) & TypeMask) is TypePipe or TypeSocket or TypeCharacters;
    }

    private static long SeekEnd(SafeFileHandle handle) => Seek(handle, 0, SeekFromEnd);

    private static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int origin);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint wanted, [Out] byte[] status);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int SynchronizeData(SafeFileHandle file);
}
