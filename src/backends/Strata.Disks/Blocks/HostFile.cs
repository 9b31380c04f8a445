using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using Strata.Disks.Images;

[assembly: InternalsVisibleTo("Strata.Disks.Tests")]

namespace Strata.Disks.Blocks;

/// <summary>
/// The host file of an image: whole reads and writes at byte offsets, and the sentences that name the file when something is wrong
/// with it. Safe on any thread. Tests derive from it to record what reaches the host, and in which order.
/// </summary>
internal class HostFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private long _length;
    private bool _holesUnsupported;
    private volatile bool _flushFailed;

    protected HostFile(string path, SafeFileHandle handle, bool readOnly)
    {
        Path = path;
        IsReadOnly = readOnly;
        _handle = handle;
        try
        {
            _length = RandomAccess.GetLength(handle);
        }
        catch (NotSupportedException error)
        {
            handle.Dispose();
            throw new DiskImageException($"The image {path} is no file whose bytes can be read in any order; give an image file.", error);
        }
    }

    public string Path { get; }

    public bool IsReadOnly { get; }

    /// <summary>Bytes. Kept here: while the file is open for writing nobody else changes it.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <summary>Opens an existing image; one that is open for writing cannot be opened a second time.</summary>
    public static HostFile Open(string path, bool readOnly)
    {
        return new HostFile(path, OpenHandle(path, readOnly), readOnly);
    }

    /// <summary>Creates an empty file, never over an existing one.</summary>
    public static HostFile CreateNew(string path)
    {
        return new HostFile(path, CreateHandle(path), readOnly: false);
    }

    /// <summary>Creates an image; when <paramref name="fill"/> fails the incomplete file is removed again.</summary>
    public static void Create(string path, Action<HostFile> fill)
    {
        using HostFile file = CreateNew(path);
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

    /// <summary>Fills the buffer. What lies past the end of the file reads as zeros.</summary>
    public void Read(long offset, Span<byte> buffer)
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

    public virtual void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        RandomAccess.Write(_handle, buffer, offset);
        long end = offset + buffer.Length;
        for (long length = Length; end > length; length = Length)
        {
            Interlocked.CompareExchange(ref _length, end, length);
        }
    }

    /// <summary>Cuts the file, or extends it with zeros. Never at the same time as a write past the end.</summary>
    public virtual void SetLength(long length)
    {
        RandomAccess.SetLength(_handle, length);
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

        byte[] zeros = new byte[(int)Math.Min(length, 1 << 20)];
        for (long end = offset + length; offset < end; offset += zeros.Length)
        {
            RandomAccess.Write(_handle, zeros.AsSpan(0, (int)Math.Min(zeros.Length, end - offset)), offset);
        }
    }

    /// <summary>Gives the range back to the host where it can; it then reads as zeros, otherwise as before.</summary>
    public virtual void Discard(long offset, long length)
    {
        length = Math.Min(length, Length - offset);
        if (length > 0)
        {
            TryPunchHole(offset, length);
        }
    }

    /// <summary>Returns when everything written before is on stable storage.</summary>
    public virtual void Flush()
    {
        if (_flushFailed)
        {
            throw new DiskImageException(
                $"The host failed to store what was written to {Path} earlier, so its state is unknown; close the image, check the host's disk and check the image.");
        }

        try
        {
            RandomAccess.FlushToDisk(_handle);
        }
        catch
        {
            // The host reports a failed write-back once and may drop the data: a later success would prove nothing.
            _flushFailed = true;
            throw;
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

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _handle.Dispose();
        }
    }

    protected static SafeFileHandle OpenHandle(string path, bool readOnly)
    {
        CheckName(path);
        if (Directory.Exists(path))
        {
            throw new DiskImageException($"The image {path} is a folder; give an image file.");
        }

        try
        {
            return File.OpenHandle(
                path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, readOnly ? FileShare.Read : FileShare.None, FileOptions.RandomAccess);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DiskImageException($"The image {path} does not exist; create it first or correct the path.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new DiskImageException($"The image {path} may not be {(readOnly ? "read" : "written")} by this user; change its permissions.", error);
        }
        catch (IOException error)
        {
            throw new DiskImageException($"The image {path} cannot be opened: {error.Message} Close whatever else uses it.", error);
        }
    }

    protected static SafeFileHandle CreateHandle(string path)
    {
        CheckName(path);
        try
        {
            return File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.RandomAccess);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            string remedy = File.Exists(path) ? "remove the existing file or choose another name" : "choose a folder that exists and may be written";
            throw new DiskImageException($"The image {path} cannot be created: {error.Message.TrimEnd('.')}; {remedy}.", error);
        }
    }

    private static void CheckName(string path)
    {
        if (string.IsNullOrEmpty(path) || path.Contains('\0', StringComparison.Ordinal))
        {
            throw new DiskImageException($"No file can have the name \"{path}\"; give the path of an image.");
        }
    }

    private bool TryPunchHole(long offset, long length)
    {
        if (_holesUnsupported)
        {
            return false;
        }

        bool punched = SparseFile.TryPunchHole(_handle, offset, length);
        _holesUnsupported = !punched;
        return punched;
    }
}
