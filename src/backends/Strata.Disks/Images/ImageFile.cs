using Microsoft.Win32.SafeHandles;

namespace Strata.Disks.Images;

/// <summary>
/// The host file (or block device) that holds an image. Failures are <see cref="DiskImageException"/>s that name the file. While it is
/// open for writing, no other .NET process can open it (an advisory flock(2)). Safe on any thread; the length is only right while
/// nobody else writes the file.
/// </summary>
public sealed partial class ImageFile : IDisposable
{
    private const int ZeroChunk = 1 << 20;
    private readonly SafeFileHandle _handle;
    private long _length;

    private ImageFile(string path, SafeFileHandle handle, bool readOnly)
    {
        Path = path;
        _handle = handle;
        IsReadOnly = readOnly;
        _length = SeekEnd(handle);
        if (_length < 0)
        {
            handle.Dispose();
            throw new DiskImageException($"The disk {path} is neither a file nor a block device; give an image file.");
        }
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    public bool IsReadOnly { get; }

    /// <summary>Told of every change and flush after it happened; for tests that work out what a loss of power can leave.</summary>
    internal Action<ImageFileChange>? Observer { get; set; }

    /// <summary>Bytes.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <exception cref="DiskImageException">It does not exist, may not be opened, or another process writes it.</exception>
    public static ImageFile Open(string path, bool readOnly)
    {
        if (string.IsNullOrEmpty(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new DiskImageException($"The disk path \"{path}\" can name no file; give the path of an image.");
        }

        if (Directory.Exists(path))
        {
            throw new DiskImageException($"The disk {path} is a folder; give an image file.");
        }

        try
        {
            return new ImageFile(path, File.OpenHandle(
                path,
                FileMode.Open,
                readOnly ? FileAccess.Read : FileAccess.ReadWrite,
                readOnly ? FileShare.Read : FileShare.None,
                FileOptions.RandomAccess), readOnly);
        }
        catch (FileNotFoundException error)
        {
            throw new DiskImageException($"The disk {path} does not exist; create it first, for example with strata disk create.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new DiskImageException($"The disk {path} may not be {(readOnly ? "read" : "written")} by this user; change its permissions.", error);
        }
        catch (IOException error) when (error is not DiskImageException)
        {
            throw new DiskImageException($"The disk {path} cannot be opened: {error.Message} Close what else uses it, or open it read-only everywhere.", error);
        }
    }

    /// <summary>Makes an empty file.</summary>
    /// <param name="overwrite">Empty the file if it exists; otherwise that is an error.</param>
    /// <exception cref="DiskImageException">It exists or cannot be made.</exception>
    public static ImageFile Create(string path, bool overwrite)
    {
        if (string.IsNullOrEmpty(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new DiskImageException($"The disk path \"{path}\" can name no file; give the path of the image to create.");
        }

        if (!overwrite && System.IO.Path.Exists(path))
        {
            throw new DiskImageException($"{path} exists already; choose another name or allow it to be overwritten.");
        }

        try
        {
            return new ImageFile(
                path,
                File.OpenHandle(path, overwrite ? FileMode.Create : FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.RandomAccess),
                readOnly: false);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException and not DiskImageException)
        {
            throw new DiskImageException($"The disk {path} cannot be created: {error.Message} Check the folder, its permissions and who uses the file.", error);
        }
    }

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

    /// <summary>Reads up to the buffer's length; what lies behind the end of the file reads as zeros.</summary>
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

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        try
        {
            RandomAccess.Write(_handle, buffer, offset);
        }
        catch (IOException error)
        {
            throw new DiskImageException($"The disk {Path} cannot be written: {error.Message} Make room on its file system, or check the device.", error);
        }

        NoteLength(offset + buffer.Length);
        Observer?.Invoke(new ImageFileChange(ImageFileChangeKind.Write, offset, buffer.Length, buffer.ToArray()));
    }

    /// <summary>Makes the range read as zeros, as a hole where the file system can.</summary>
    public void WriteZeros(long offset, long length)
    {
        long inside = Math.Clamp(Length - offset, 0, length);
        if (inside > 0 && !TryPunchHole(offset, inside))
        {
            ReadOnlySpan<byte> zeros = new byte[Math.Min(inside, ZeroChunk)];
            for (long done = 0; done < inside; done += zeros.Length)
            {
                Write(offset + done, zeros[..(int)Math.Min(zeros.Length, inside - done)]);
            }
        }

        if (offset + length > Length)
        {
            SetLength(offset + length);
        }
    }

    /// <summary>Returns when everything written before is on stable storage.</summary>
    public void Flush()
    {
        if (!IsReadOnly && SynchronizeData(_handle) != 0)
        {
            throw new DiskImageException($"The disk {Path} cannot be flushed ({LastError()}); data written to it may be lost. Check the device.");
        }

        Observer?.Invoke(new ImageFileChange(ImageFileChangeKind.Flush, 0, 0, []));
    }

    /// <summary>Cuts the file or extends it with a hole.</summary>
    public void SetLength(long length)
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
        Observer?.Invoke(new ImageFileChange(ImageFileChangeKind.Length, length, 0, []));
    }

    public void Dispose() => _handle.Dispose();

    private void NoteLength(long end)
    {
        long seen = Length;
        while (end > seen)
        {
            seen = Interlocked.CompareExchange(ref _length, end, seen);
        }
    }
}
