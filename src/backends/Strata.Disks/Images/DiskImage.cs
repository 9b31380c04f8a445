using Strata.Core.Storage;

namespace Strata.Disks.Images;

/// <summary>
/// A virtual disk stored in an image file of some format. Calls may come from several threads; a format takes its own lock.
/// Bytes that were never written read as zeros or, with a backing image, as the backing image's bytes.
/// </summary>
public abstract class DiskImage : IBlockBackend
{
    /// <summary>The format's usual name in lower case: raw, qcow2, vmdk, vdi, vhd, vhdx.</summary>
    public abstract string Format { get; }

    /// <inheritdoc/>
    public abstract long Sectors { get; }

    /// <inheritdoc/>
    public abstract bool IsReadOnly { get; }

    /// <summary>The image that unallocated bytes are read from; null without one, or where it was not opened.</summary>
    public virtual DiskImage? Backing => null;

    /// <inheritdoc/>
    public abstract void Read(long offset, Span<byte> buffer);

    /// <inheritdoc/>
    public abstract void Write(long offset, ReadOnlySpan<byte> buffer);

    /// <inheritdoc/>
    public abstract void Flush();

    /// <inheritdoc/>
    public abstract void Discard(long offset, long length);

    /// <inheritdoc/>
    public abstract void WriteZeros(long offset, long length);

    /// <summary>How the range starts: one extent whose length is at least 512 bytes and at most <paramref name="length"/>.</summary>
    public abstract DiskExtent Map(long offset, long length);

    /// <summary>What `strata disk info` shows.</summary>
    public abstract DiskImageInfo Describe();

    /// <summary>
    /// Looks for inconsistent metadata; with <paramref name="repair"/> corrects what can be corrected without losing data.
    /// </summary>
    public abstract DiskCheckReport Check(bool repair);

    /// <summary>
    /// Changes the size of the disk; new sectors read as zeros. What a smaller size cuts off is lost. Nobody else may use the image
    /// during the call.
    /// </summary>
    /// <param name="size">Bytes; a multiple of 512.</param>
    /// <exception cref="DiskImageException">The format or this image cannot have that size.</exception>
    public virtual void Resize(long size) =>
        throw new DiskImageException($"Disks of the format {Format} cannot be resized; convert the image to qcow2 first.");

    /// <summary>Closes the file; what was written but not flushed is flushed.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    protected abstract void Dispose(bool disposing);
}
