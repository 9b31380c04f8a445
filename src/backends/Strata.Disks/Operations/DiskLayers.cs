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

        if (image.Backing is not { } backing)
        {
            bool isUnknown = image.Describe().BackingFile is not null; // it was not opened: reading says so
            return extent with { Kind = isUnknown ? DiskExtentKind.Data : DiskExtentKind.Zero };
        }

        long inside = (backing.Sectors * 512) - offset;
        return inside <= 0 ? extent with { Kind = DiskExtentKind.Zero } : Map(backing, offset, Math.Min(inside, extent.Length));
    }
}
