namespace Strata.Disks.Vhd;

/// <summary>Cylinders, heads and sectors (the specification's appendix "CHS Calculation").</summary>
internal readonly record struct VhdGeometry(ushort Cylinders, byte Heads, byte SectorsPerTrack)
{
    private const long MaximumSectors = 65535L * 16 * 255;

    public long Sectors => (long)Cylinders * Heads * SectorsPerTrack;

    /// <summary>Whether the disk may be larger than this geometry can say.</summary>
    public bool IsMaximum => Sectors == MaximumSectors;

    /// <summary>The geometry of a disk: as many sectors as it has, or a few less.</summary>
    public static VhdGeometry ForSectors(long sectors)
    {
        sectors = Math.Min(sectors, MaximumSectors);
        if (sectors >= 65535L * 16 * 63)
        {
            return Of(sectors, heads: 16, sectorsPerTrack: 255);
        }

        long tracks = sectors / 17;
        long heads = Math.Max((tracks + 1023) / 1024, 4);
        if (tracks < heads * 1024 && heads <= 16)
        {
            return Of(sectors, heads, sectorsPerTrack: 17);
        }

        return sectors / 31 < 16 * 1024 ? Of(sectors, heads: 16, sectorsPerTrack: 31) : Of(sectors, heads: 16, sectorsPerTrack: 63);
    }

    private static VhdGeometry Of(long sectors, long heads, int sectorsPerTrack) =>
        new((ushort)(sectors / sectorsPerTrack / heads), (byte)heads, (byte)sectorsPerTrack);
}
