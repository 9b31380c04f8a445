using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Strata.Disks.Images;

/// <summary>
/// What a user of an image does with it, as QEMU counts it: the bit's number is the lock's offset. QEMU 7.2, BLK_PERM_* of
/// include/block/block-common.h; what its programs lock is in /proc/locks.
/// </summary>
[Flags]
internal enum ImagePermissions
{
    None = 0,

    /// <summary>What is read is what was written last.</summary>
    ConsistentRead = 1,
    Write = 2,

    /// <summary>Writes after which the disk shows the same.</summary>
    WriteUnchanged = 4,
    Resize = 8,
}

/// <summary>
/// Says to other users of an image what this one does with it, the way QEMU's programs do: a read lock on byte 100 + n means "I use
/// permission n", one on byte 200 + n "nobody else may". Read locks of several users go together; a user looks for the opposite ones
/// after it has set its own, so that of two that come at once at least one sees the other. The locks belong to the open file
/// description (F_OFD_SETLK of fcntl(2)) and end with it; no byte of the file is touched, and it may be shorter.
/// </summary>
internal static partial class ImageLock
{
    private const int UsedBase = 100;
    private const int DeniedBase = 200;
    private const int GetLock = 36; // F_OFD_GETLK
    private const int SetLock = 37; // F_OFD_SETLK
    private const short ReadLock = 0;
    private const short WriteLock = 1;
    private const short NoLock = 2;
    private const int EveryByte = DeniedBase + 100 - UsedBase; // the bytes of every permission that there could be
    private const ImagePermissions Reading = ImagePermissions.ConsistentRead;
    private const ImagePermissions Writing = ImagePermissions.ConsistentRead | ImagePermissions.Write | ImagePermissions.Resize;
    private const ImagePermissions Denied = ImagePermissions.Write | ImagePermissions.Resize;

    /// <summary>EACCES and EAGAIN: somebody has an exclusive lock there, which no user of images sets.</summary>
    private static readonly int[] HeldByAnother = [13, 11];

    /// <summary>Takes the locks, which stay until the handle is closed.</summary>
    /// <returns>
    /// False if another user of the image does what this one does not allow, or the reverse. True also where the file system has no
    /// locks: then nobody can be seen.
    /// </returns>
    public static bool TryTake(SafeFileHandle handle, bool readOnly)
    {
        ImagePermissions used = readOnly ? Reading : Writing;
        foreach (int offset in OffsetsOf(used, UsedBase).Concat(OffsetsOf(Denied, DeniedBase)))
        {
            if (!TryLock(handle, SetLock, ReadLock, offset, length: 1, out _))
            {
                return !HeldByAnother.Contains(Marshal.GetLastPInvokeError());
            }
        }

        return !OffsetsOf(Denied, UsedBase).Concat(OffsetsOf(used, DeniedBase)).Any(offset => IsLocked(handle, offset));
    }

    /// <summary>
    /// Before the handle is closed: a process that is being started by another thread has a copy of it for a moment, and would keep the
    /// locks.
    /// </summary>
    public static void Release(SafeFileHandle handle) => TryLock(handle, SetLock, NoLock, UsedBase, EveryByte, out _);

    /// <summary>Whether anybody else has a lock of any kind on the byte.</summary>
    private static bool IsLocked(SafeFileHandle handle, int offset) =>
        TryLock(handle, GetLock, WriteLock, offset, length: 1, out short found) && found != NoLock;

    private static IEnumerable<int> OffsetsOf(ImagePermissions permissions, int start)
    {
        for (int bit = 0; (int)permissions >> bit != 0; bit++)
        {
            if (((int)permissions >> bit & 1) != 0)
            {
                yield return start + bit;
            }
        }
    }

    private static unsafe bool TryLock(SafeFileHandle handle, int command, short type, int offset, int length, out short found)
    {
        FileLock request = new() { Type = type, Start = offset, Length = length };

        // SAFETY: the kernel reads and writes the 32 bytes of struct flock of a 64-bit process, which request has; the marshaller keeps
        // the handle open.
        int result = Control(handle, command, &request);
        found = request.Type;
        return result == 0;
    }

    /// <summary>struct flock of fcntl(2); l_whence stays SEEK_SET and l_pid 0, as open file description locks demand.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    private struct FileLock
    {
        [FieldOffset(0)]
        public short Type;

        [FieldOffset(8)]
        public long Start;

        [FieldOffset(16)]
        public long Length;
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static unsafe partial int Control(SafeFileHandle file, int command, FileLock* argument);
}
