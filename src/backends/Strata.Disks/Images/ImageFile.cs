using Microsoft.Win32.SafeHandles;

namespace Strata.Disks.Images;

/// <summary>
/// The host file (or block device) that holds an image: whole reads and writes at byte offsets, and the sentences that name the file
/// when something is wrong with it. While it is open for writing nobody else opens it who looks at the locks of QEMU's programs
/// (<see cref="ImageLock"/>) or, as .NET and others do, at flock(2); while it is open for reading, nobody writes it. Safe on any thread;
/// the length is only right while nobody else writes the file. Tests derive from it to see what reaches the host, and in which order.
/// </summary>
public partial class ImageFile : IDisposable
{
    private const int ZeroChunk = 1 << 20;

    /// <summary>
    /// What opening a file says that somebody else has locked: EWOULDBLOCK of Linux and of the BSDs, a sharing violation.
    /// </summary>
    private static readonly int[] HeldByAnother = [11, 35, unchecked((int)0x80070020)];

    private readonly SafeFileHandle _handle;
    private long _length;
    private volatile bool _holesUnsupported;
    private volatile bool _flushFailed;

    private protected ImageFile(string path, SafeFileHandle handle, bool readOnly)
    {
        Path = path;
        _handle = handle;
        IsReadOnly = readOnly;
        _length = SeekEnd(handle);
        IsDevice = _length > 0 && RandomAccess.GetLength(handle) == 0;
        if (_length < 0)
        {
            ImageLock.Release(handle);
            handle.Dispose();
            throw NoFile(path);
        }
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    public bool IsReadOnly { get; }

    /// <summary>A block device: it has a size and no file's length.</summary>
    internal bool IsDevice { get; }

    /// <summary>Bytes.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <summary>Bytes that the host's file system keeps for the file; holes do not count.</summary>
    public long AllocatedBytes
    {
        get
        {
            long sum = 0;
            for (long offset = 0; offset < Length;)
            {
                (long length, bool isData) = FindExtent(offset, Length - offset);
                sum += isData ? length : 0;
                offset += length;
            }

            return sum;
        }
    }

    /// <summary>Whether nobody will read the file after this process: flushing it would be in vain.</summary>
    internal bool IsTemporary { get; set; }

    /// <exception cref="DiskImageException">It does not exist, may not be opened, or another process writes it.</exception>
    public static ImageFile Open(string path, bool readOnly) => new(path, OpenHandle(path, readOnly), readOnly);

    /// <summary>Makes an empty file.</summary>
    /// <param name="overwrite">Empty the file if it exists; otherwise that is an error.</param>
    /// <exception cref="DiskImageException">It exists or cannot be made.</exception>
    public static ImageFile Create(string path, bool overwrite) => new(path, CreateHandle(path, overwrite), readOnly: false);

    /// <summary>Makes an image; when <paramref name="fill"/> fails the incomplete file is removed again.</summary>
    /// <param name="overwrite">Replace a file that has the name; otherwise that is an error.</param>
    /// <exception cref="DiskImageException">It exists or cannot be made.</exception>
    public static void Create(string path, Action<ImageFile> fill, bool overwrite = false)
    {
        ArgumentNullException.ThrowIfNull(fill);
        using ImageFile file = Create(path, overwrite);
        try
        {
            fill(file);
            file.Flush();
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Fills the buffer. What lies behind the end of the file reads as zeros.</summary>
    public void Read(long offset, Span<byte> buffer)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                int count = RandomAccess.Read(_handle, buffer, offset);
                if (count == 0)
                {
                    buffer.Clear();
                    return;
                }

                buffer = buffer[count..];
                offset += count;
            }
        }
        catch (IOException error)
        {
            throw new DiskImageException($"The disk {Path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Fills the buffer with a structure of the image, which must lie wholly inside the file.</summary>
    /// <param name="structure">What it is, for the message.</param>
    public void ReadStructure(long offset, Span<byte> buffer, string structure)
    {
        if (offset < 0 || offset > Length - buffer.Length)
        {
            throw Damaged($"its {structure} of {buffer.Length:N0} bytes at byte {offset:N0} lies outside the file of {Length:N0} bytes");
        }

        Read(offset, buffer);
    }

    /// <summary>Writes the buffer; the file grows where it ends before.</summary>
    public virtual void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        try
        {
            RandomAccess.Write(_handle, buffer, offset);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            // The last is what the runtime makes of EFBIG: the file system, or ulimit -f, has no larger files.
            throw new DiskImageException(
                $"The disk {Path} cannot be written: {error.Message} Make room on its file system, or check the device.", error);
        }

        long end = offset + buffer.Length;
        for (long length = Length; end > length; length = Length)
        {
            Interlocked.CompareExchange(ref _length, end, length);
        }
    }

    /// <summary>Cuts the file or extends it with a hole. Never at the same time as a write behind the end.</summary>
    public virtual void SetLength(long length)
    {
        try
        {
            RandomAccess.SetLength(_handle, length);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new DiskImageException($"The disk {Path} cannot be resized to {length:N0} bytes: {error.Message}", error);
        }

        Interlocked.Exchange(ref _length, length);
    }

    /// <summary>The range reads as zeros afterwards; where the host can, without taking space. The file's length stays.</summary>
    public virtual void WriteZeros(long offset, long length)
    {
        length = Math.Min(length, Length - offset);
        if (length <= 0 || TryPunchHole(offset, length))
        {
            return;
        }

        ReadOnlySpan<byte> zeros = new byte[(int)Math.Min(length, ZeroChunk)];
        for (long end = offset + length; offset < end; offset += zeros.Length)
        {
            Write(offset, zeros[..(int)Math.Min(zeros.Length, end - offset)]);
        }
    }

    /// <summary>Gives the space of a range back to the host where it can; the range then reads as zeros, otherwise as before.</summary>
    public virtual void Discard(long offset, long length)
    {
        length = Math.Min(length, Length - offset);
        if (length > 0)
        {
            _ = TryPunchHole(offset, length);
        }
    }

    /// <summary>Returns when everything written before is on stable storage.</summary>
    /// <exception cref="DiskImageException">
    /// The host failed, now or at an earlier flush: it reports a failed write once and may drop the data, so that a later success would
    /// prove nothing.
    /// </exception>
    public virtual void Flush()
    {
        if (IsReadOnly || IsTemporary)
        {
            return;
        }

        if (_flushFailed)
        {
            throw new DiskImageException(
                $"The host failed to store what was written to the disk {Path} earlier, so its state is unknown; check the host's " +
                $"device, then the image.");
        }

        if (SynchronizeData(_handle) != 0)
        {
            _flushFailed = true;
            throw new DiskImageException(
                $"The disk {Path} cannot be flushed ({LastError()}); data written to it may be lost. Check the device.");
        }
    }

    /// <summary>The image's content is wrong.</summary>
    /// <param name="cause">Continues "The image ... is damaged: ".</param>
    public DiskImageException Damaged(string cause) =>
        new($"The image {Path} is damaged: {cause}; restore it from a copy, or check it with the tool that wrote it.");

    /// <summary>The image is well formed, but not of a kind that is served.</summary>
    /// <param name="cause">Continues "The image ... cannot be used: ".</param>
    public DiskImageException Unsupported(string cause, string remedy) => new($"The image {Path} cannot be used: {cause}; {remedy}.");

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    private protected static SafeFileHandle OpenHandle(string path, bool readOnly)
    {
        CheckName(path);
        if (Directory.Exists(path))
        {
            throw new DiskImageException($"The disk {path} is a folder; give an image file.");
        }

        if (IsStream(path))
        {
            throw NoFile(path);
        }

        try
        {
            SafeFileHandle handle = File.OpenHandle(
                path, FileMode.Open, readOnly
                    ? FileAccess.Read
                    : FileAccess.ReadWrite, readOnly
                    ? FileShare.Read
                    : FileShare.None, FileOptions.RandomAccess);
            return Lock(handle, path, readOnly);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DiskImageException($"The disk {path} does not exist; create it first, for example with strata disk create.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new DiskImageException(
                $"The disk {path} may not be {(readOnly ? "read" : "written")} by this user; change its permissions.", error);
        }
        catch (IOException error) when (HeldByAnother.Contains(error.HResult))
        {
            throw InUse(path, error);
        }
        catch (IOException error) when (error is not DiskImageException)
        {
            throw new DiskImageException($"The disk {path} cannot be opened: {error.Message} Check the path and its file system.", error);
        }
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing && !_handle.IsClosed)
        {
            ImageLock.Release(_handle);
            _handle.Dispose();
        }
    }

    private static DiskImageException NoFile(string path) =>
        new($"The disk {path} is neither a file nor a block device; give an image file.");

    private static SafeFileHandle CreateHandle(string path, bool overwrite)
    {
        CheckName(path);
        if (!overwrite && System.IO.Path.Exists(path))
        {
            throw new DiskImageException(
                $"{path} exists already; remove the existing file, choose another name or allow it to be overwritten.");
        }

        try
        {
            if (File.Exists(path))
            {
                SafeFileHandle existing = OpenHandle(path, readOnly: false); // not emptied before it is known that nobody uses it
                if (RandomAccess.GetLength(existing) > 0)
                {
                    RandomAccess.SetLength(existing, 0); // of a device it would fail, which says 0
                }

                return existing;
            }

            FileMode mode = overwrite ? FileMode.Create : FileMode.CreateNew;
            return Lock(File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.None, FileOptions.RandomAccess), path, readOnly: false);
        }
        catch (Exception error) when (error is (UnauthorizedAccessException or IOException) and not DiskImageException)
        {
            throw new DiskImageException(
                $"The disk {path} cannot be created: {error.Message} Check the folder, its permissions and who uses the file.", error);
        }
    }

    private static SafeFileHandle Lock(SafeFileHandle handle, string path, bool readOnly)
    {
        if (ImageLock.TryTake(handle, readOnly))
        {
            return handle;
        }

        ImageLock.Release(handle); // first: its own locks are nobody else's
        handle.Dispose();
        throw InUse(path, cause: null);
    }

    private static DiskImageException InUse(string path, IOException? cause) => new(
        $"The disk {path} is in use by {ImageUsers.Describe(path)}; end that, give this one a copy of its own, or open it read-only " +
        $"everywhere.",
        cause!)
    {
        IsInUse = true,
    };

    private static void CheckName(string path)
    {
        if (string.IsNullOrEmpty(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new DiskImageException($"The disk path \"{path}\" can name no file; give the path of an image.");
        }
    }

    private bool TryPunchHole(long offset, long length)
    {
        _holesUnsupported = _holesUnsupported || !PunchHole(offset, length);
        return !_holesUnsupported;
    }
}
