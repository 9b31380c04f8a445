using Strata.Disks.Images;

namespace Strata.Disks;

/// <summary>A disk whose image is the plain bytes of a file or block device. What was never written, or was discarded, is a hole.</summary>
public sealed class RawDisk : DiskImage
{
    internal const int SectorSize = 512;
    private readonly ImageFile _file;
    private readonly RawProbeGuard? _guard;
    private volatile bool _isFlushed = true;
    private bool _isDisposed;

    private RawDisk(ImageFile file, RawProbeGuard? guard)
    {
        _file = file;
        _guard = guard;
    }

    public override string Format => "raw";

    public override long Sectors => _file.Length / SectorSize;

    public override bool IsReadOnly => _file.IsReadOnly;

    /// <summary>Opens an image; while it is open for writing nobody else can open it through .NET.</summary>
    /// <exception cref="DiskImageException">It cannot be opened, or its size is no multiple of 512 bytes. The message is for the
    /// user.</exception>
    public static RawDisk Open(string path, bool readOnly = false) => Open(path, readOnly, isGuess: false);

    /// <summary>Makes an image of zeros, a hole as a whole.</summary>
    /// <param name="size">Bytes; a multiple of 512.</param>
    /// <param name="overwrite">Replace the file if it exists.</param>
    /// <exception cref="DiskImageException">It exists, cannot be made, or the size is no whole number of sectors.</exception>
    public static RawDisk Create(string path, long size, bool overwrite = false)
    {
        if (size <= 0 || size % SectorSize != 0)
        {
            throw new DiskImageException($"A disk cannot have {size:N0} bytes; give a positive multiple of 512.");
        }

        ImageFile file = ImageFile.Create(path, overwrite);
        try
        {
            file.SetLength(size);
            return new RawDisk(file, guard: null);
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <param name="isGuess">The format was not stated but concluded from the content: see <see cref="RawProbeGuard"/>.</param>
    internal static RawDisk Open(string path, bool readOnly, bool isGuess)
    {
        ImageFile file = ImageFile.Open(path, readOnly);
        if (file.Length == 0 || file.Length % SectorSize != 0)
        {
            long length = file.Length;
            file.Dispose();
            throw new DiskImageException(
                length == 0
                    ? $"The disk {path} is empty, and has none of the 512-byte sectors of a disk; give it a size with truncate."
                    : $"The disk {path} has {length:N0} bytes, which is no whole number of 512-byte sectors: fetch it again if it was " +
                        "cut off, or pad it with truncate.");
        }

        return new RawDisk(file, isGuess && !readOnly ? new RawProbeGuard(file) : null);
    }

    public override void Read(long offset, Span<byte> buffer)
    {
        if (offset + buffer.Length > _file.Length)
        {
            throw new DiskImageException($"A read at {offset:N0} lies behind the end of the disk {_file.Path}.");
        }

        _file.Read(offset, buffer);
    }

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (offset + buffer.Length > _file.Length)
        {
            throw new DiskImageException($"A write at {offset:N0} lies behind the end of the disk {_file.Path}.");
        }

        _guard?.Check(offset, buffer);
        _isFlushed = false;
        _file.Write(offset, buffer);
    }

    public override void Flush()
    {
        _isFlushed = true; // before: a write that comes in between is not covered
        _file.Flush();
    }

    public override void Discard(long offset, long length)
    {
        if (!IsReadOnly)
        {
            _file.Discard(offset, length);
        }
    }

    public override void WriteZeros(long offset, long length)
    {
        if (IsReadOnly || offset + length > _file.Length)
        {
            throw new DiskImageException(
                $"Zeros cannot be written at {offset:N0} of the disk {_file.Path}: it is read-only, or ends there.");
        }

        _isFlushed = false;
        _file.WriteZeros(offset, length);
    }

    public override DiskExtent Map(long offset, long length)
    {
        (long found, bool isData) = _file.FindExtent(offset, length);
        long whole = found - (found % SectorSize);
        return whole == 0
            ? new DiskExtent(Math.Min(SectorSize, length), DiskExtentKind.Data)
            : new DiskExtent(whole, isData ? DiskExtentKind.Data : DiskExtentKind.Zero);
    }

    public override DiskImageInfo Describe() => new() { Format = Format, VirtualSize = _file.Length };

    /// <summary>There is no metadata that could be wrong.</summary>
    public override DiskCheckReport Check(bool repair) => new();

    public override void Resize(long size)
    {
        if (size % SectorSize != 0 || size <= 0)
        {
            throw new DiskImageException($"A disk cannot have {size:N0} bytes; give a positive multiple of 512.");
        }

        _isFlushed = false;
        _file.SetLength(size);
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _isDisposed)
        {
            return;
        }

        _isDisposed = true;
        try
        {
            if (!_isFlushed)
            {
                _file.Flush();
            }
        }
        finally
        {
            _file.Dispose();
        }
    }
}
