using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>
/// The bytes of a disk, or of one extent of it, somewhere in image files. Ranges are whole sectors inside
/// <see cref="Length"/>, which the image has checked. Safe on any thread.
/// </summary>
internal abstract class ByteStore : IDisposable
{
    /// <summary>Bytes.</summary>
    public abstract long Length { get; }

    public abstract void Read(long offset, Span<byte> buffer);

    public abstract void Write(long offset, ReadOnlySpan<byte> buffer);

    public abstract void WriteZeros(long offset, long length);

    public abstract void Discard(long offset, long length);

    public abstract DiskExtent Map(long offset, long length);

    public abstract void Flush();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Stores what is still in memory and closes the files.</summary>
    protected abstract void Dispose(bool disposing);
}
