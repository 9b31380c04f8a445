using Strata.Disks.Images;

namespace Strata;

/// <summary>Tells discs and diskettes from disks, where only a file is given.</summary>
internal static class DiskKindProbe
{
    private const int DescriptorPlace = 16 * 2048; // ECMA-119, "Volume Descriptors"
    private static readonly int[] DisketteSizes = [360, 720, 1200, 1440, 2880]; // KiB

    private static ReadOnlySpan<byte> StandardIdentifier => "CD001"u8;

    /// <summary>The drive for a file: an ISO 9660 image is a disc, one of exactly a diskette's size a diskette, all else a disk.</summary>
    /// <exception cref="StrataException">The file cannot be read.</exception>
    public static DiskBus FindBus(string path)
    {
        try
        {
            using ImageFile file = ImageFile.Open(path, readOnly: true);
            Span<byte> descriptor = stackalloc byte[6];
            file.Read(DescriptorPlace, descriptor);
            bool isDiskette = DisketteSizes.Any(size => file.Length == size * 1024L);
            return descriptor[1..].SequenceEqual(StandardIdentifier) ? DiskBus.Cdrom : isDiskette ? DiskBus.Floppy : DiskBus.Ide;
        }
        catch (DiskImageException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }
}
