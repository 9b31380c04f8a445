using Strata.Disks.Images;

namespace Strata.Disks.Operations;

/// <summary>What a disk shows, through all of its backing images.</summary>
public static class DiskLayers
{
    /// <summary>How a range starts: data of some layer, or zeros.</summary>
    /// <param name="offset">Bytes; a multiple of 512, as is the length; both inside the disk.</param>
    /// <returns>An extent that is never <see cref="DiskExtentKind.Unallocated"/>.</returns>
    public static DiskExtent Map(DiskImage image, long offset, long length)
    {
        ArgumentNullException.ThrowIfNull(image);
        DiskExtent extent = image.Map(offset, length);
        if (extent.Kind != DiskExtentKind.Unallocated)
        {
            return extent;
        }

        long inside = image.Backing is { } backing ? (backing.Sectors * 512) - offset : 0;
        return inside <= 0
            ? extent with { Kind = image.Backing is null && image.Describe().BackingFile is not null ? DiskExtentKind.Data : DiskExtentKind.Zero }
            : Map(image.Backing!, offset, Math.Min(inside, extent.Length));
    }
}
