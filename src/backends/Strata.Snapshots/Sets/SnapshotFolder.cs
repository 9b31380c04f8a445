using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Strata.Snapshots.Sets;

/// <summary>Files of a set: plain ones only, private, and on stable storage when that is said.</summary>
internal static partial class SnapshotFolder
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int DirectoryOnly = 0x10000; // O_DIRECTORY, of Linux on x86-64
    private const int NoFollow = 0x20000; // O_NOFOLLOW
    private const int NonBlocking = 0x800; // O_NONBLOCK
    private const int CloseOnExec = 0x80000; // O_CLOEXEC
    private const int SeekEnd = 2;
    private const long MemoryFileSystem = 0x01021994; // TMPFS_MAGIC
    private const int KeepSize = 1; // FALLOC_FL_KEEP_SIZE
    private const int StatWords = 64; // more than struct statfs has

    public static void Create(string path) => Directory.CreateDirectory(path, Private);

    /// <summary>Makes a file that must not exist yet.</summary>
    public static SafeFileHandle CreateFile(string path)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, UnixCreateMode = PrivateFile };
        using (new FileStream(path, options))
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        }
    }

    /// <summary>Writes a file that must not exist yet, to stable storage if that is asked for.</summary>
    public static void WriteFile(string path, byte[] bytes, bool isDurable)
    {
        using SafeFileHandle handle = CreateFile(path);
        RandomAccess.Write(handle, bytes, 0);
        if (isDurable)
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    /// <summary>Reads a file whose size is bounded.</summary>
    /// <exception cref="SnapshotException">It is not there, no plain file, or too large.</exception>
    public static byte[] ReadFile(string path, long most)
    {
        using SafeFileHandle handle = OpenFile(path);
        long length = RandomAccess.GetLength(handle);
        if (length > most)
        {
            throw new SnapshotException(
                $"The file {path} has {length:N0} bytes, and such a file has at most {most:N0}: the snapshot is damaged.");
        }

        byte[] bytes = new byte[length];
        int done = 0;
        while (done < bytes.Length)
        {
            int count = Read(handle, bytes.AsSpan(done), done, path);
            if (count == 0)
            {
                throw new SnapshotException($"The file {path} became shorter while it was read; somebody changes the snapshot.");
            }

            done += count;
        }

        return bytes;
    }

    private static int Read(SafeFileHandle handle, Span<byte> target, long offset, string path)
    {
        try
        {
            return RandomAccess.Read(handle, target, offset);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A folder says so when it is read.
            throw new SnapshotException(
                $"The snapshot's file {path} cannot be read: {error.Message} Restore another one, or import it again.", error);
        }
    }

    /// <summary>Opens a plain file for reading: a link would lead out of the set, a pipe would wait for ever.</summary>
    public static SafeFileHandle OpenFile(string path)
    {
        SafeFileHandle handle = new(Open(path, NoFollow | NonBlocking | CloseOnExec), ownsHandle: true);
        string? wrong = handle.IsInvalid ? Marshal.GetLastPInvokeErrorMessage() : null;
        if (wrong is null && Seek(handle, 0, SeekEnd) >= 0)
        {
            return handle;
        }

        handle.Dispose();
        throw new SnapshotException(
            $"The snapshot's file {path} cannot be used: {wrong ?? "it is no plain file"}. Restore another one, or import it again.");
    }

    /// <summary>
    /// Whether a file lies in memory: there a hole takes room when it is read through a mapping, and a signal ends who finds none.
    /// </summary>
    public static bool IsInMemory(SafeFileHandle file)
    {
        long[] stat = new long[StatWords];
        return GetFileSystem(file, stat) == 0 && stat[0] == MemoryFileSystem;
    }

    /// <summary>Takes the room for a part of a file now.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public static void Reserve(SafeFileHandle file, long offset, long length)
    {
        if (Allocate(file, KeepSize, offset, length) != 0)
        {
            throw new IOException($"The file system of the snapshots has no room: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
    }

    /// <summary>Brings a folder's entries to stable storage.</summary>
    public static void Flush(string path)
    {
        int descriptor = Open(path, DirectoryOnly | CloseOnExec);
        if (descriptor < 0)
        {
            throw new SnapshotException($"The folder {path} cannot be opened (errno {Marshal.GetLastPInvokeError()}).");
        }

        int result = Synchronize(descriptor);
        int errno = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (result != 0)
        {
            throw new SnapshotException($"The folder {path} cannot be written to stable storage (errno {errno}). Check the disk.");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int origin);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int GetFileSystem(SafeFileHandle file, long[] stat);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
