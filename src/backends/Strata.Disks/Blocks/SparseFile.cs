using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Strata.Disks.Blocks;

/// <summary>Holes in host files (Linux fallocate(2), "Deallocating file space").</summary>
internal static partial class SparseFile
{
    private const int FALLOC_FL_KEEP_SIZE = 0x01;
    private const int FALLOC_FL_PUNCH_HOLE = 0x02;
    private const int EINTR = 4;

    /// <summary>Makes the range read as zeros and frees the host's space below it.</summary>
    /// <returns>False when the host or its file system cannot; the file is then unchanged.</returns>
    public static bool TryPunchHole(SafeFileHandle file, long offset, long length)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        int result;
        do
        {
            result = Fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
        }
        while (result != 0 && Marshal.GetLastPInvokeError() == EINTR);

        return result == 0;
    }

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Fallocate(SafeFileHandle file, int mode, long offset, long length);
}
