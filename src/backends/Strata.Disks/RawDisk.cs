using Microsoft.Win32.SafeHandles;
using Strata.Core.Storage;

namespace Strata.Disks;

/// <summary>A disk whose image is the plain bytes of a file.</summary>
public sealed class RawDisk : IBlockBackend
{
    private const int SectorSize = 512;
    private readonly SafeFileHandle _file;

    private RawDisk(SafeFileHandle file, bool readOnly)
    {
        _file = file;
        IsReadOnly = readOnly;
        Sectors = RandomAccess.GetLength(file) / SectorSize;
    }

    public long Sectors { get; }

    public bool IsReadOnly { get; }

    /// <summary>Opens an image; while it is open for writing nobody else can open it for writing through .NET.</summary>
    /// <exception cref="IOException">It cannot be opened, or its size is no multiple of 512 bytes. The message is for the user.</exception>
    public static RawDisk Open(string path, bool readOnly = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new IOException($"The disk {path} is a folder; give an image file.");
        }

        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(
                path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, readOnly ? FileShare.Read : FileShare.None, FileOptions.RandomAccess);
        }
        catch (FileNotFoundException error)
        {
            throw new IOException($"The disk {path} does not exist; create it first, for example with truncate -s 1G.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException($"The disk {path} may not be {(readOnly ? "read" : "written")} by this user; change its permissions.", error);
        }
        catch (IOException error)
        {
            throw new IOException($"The disk {path} cannot be opened: {error.Message}", error);
        }

        long length = RandomAccess.GetLength(file);
        if (length == 0 || length % SectorSize != 0)
        {
            file.Dispose();
            throw new IOException($"The disk {path} has {length:N0} bytes, which is no whole number of 512-byte sectors; pad it with truncate.");
        }

        return new RawDisk(file, readOnly);
    }

    public void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = RandomAccess.Read(_file, buffer, offset);
            if (count == 0)
            {
                throw new IOException("The disk image became shorter while it was in use.");
            }

            buffer = buffer[count..];
            offset += count;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer) => RandomAccess.Write(_file, buffer, offset);

    public void Flush() => RandomAccess.FlushToDisk(_file);

    public void Discard(long offset, long length)
    {
        // A hint: a plain file keeps its bytes.
    }

    public void Dispose() => _file.Dispose();
}
