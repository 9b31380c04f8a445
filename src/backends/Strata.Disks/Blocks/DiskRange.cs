using Strata.Disks.Images;

namespace Strata.Disks.Blocks;

/// <summary>What callers owe every image: whole sectors inside the disk.</summary>
internal static class DiskRange
{
    public const int SectorSize = 512;

    /// <param name="offset">Bytes.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="size">Bytes of the disk.</param>
    public static void Check(long offset, long length, long size)
    {
        if (((offset | length) & (SectorSize - 1)) != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset), $"The range of {length} bytes at {offset} is not made of whole 512-byte sectors.");
        }

        if (offset < 0 || length < 0 || offset > size - length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset), $"The range of {length} bytes at {offset} is not inside the disk of {size} bytes.");
        }
    }
    /// <summary>What a user may ask of a new image.</summary>
    /// <param name="maximum">Bytes of the largest disk that the format holds.</param>
    public static void CheckNewSize(string path, long size, long maximum)
    {
        if (size <= 0 || size % SectorSize != 0 || size > maximum)
        {
            throw new DiskImageException(
                $"The image {path} cannot have a disk of {size:N0} bytes; give a positive multiple of 512 of at most {maximum:N0} bytes.");
        }
    }
}
