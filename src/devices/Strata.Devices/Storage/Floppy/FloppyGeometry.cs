namespace Strata.Devices.Storage.Floppy;

/// <summary>How a diskette is formatted: sectors of 512 bytes.</summary>
/// <param name="Cylinders">Cylinders, 40 or 80.</param>
/// <param name="Heads">1 or 2.</param>
/// <param name="SectorsPerTrack">Sectors of a track, numbered from 1.</param>
/// <param name="DriveType">What CMOS RAM says of a drive that takes it: 1 is 360 KB, 2 1.2 MB, 3 720 KB, 4 1.44 MB, 5 2.88 MB.</param>
/// <param name="Rates">The data rates that find its marks: a bit for each code of the rate-select field.</param>
public sealed record FloppyGeometry(int Cylinders, int Heads, int SectorsPerTrack, byte DriveType, byte Rates)
{
    private const byte Fast = 1 << 0;     // 500 kbit/s
    private const byte Slow = 0b110;      // 300 and 250 kbit/s: the former is that of slow media in a fast 5¼" drive
    private const byte Fastest = 1 << 3;  // 1 Mbit/s

    private static readonly FloppyGeometry[] Formats =
    [
        new(40, 1, 8, 1, Slow),
        new(40, 1, 9, 1, Slow),
        new(40, 2, 8, 1, Slow),
        new(40, 2, 9, 1, Slow),
        new(80, 2, 9, 3, Slow),
        new(80, 2, 10, 3, Slow),
        new(80, 2, 15, 2, Fast),
        new(80, 2, 18, 4, Fast),
        new(80, 2, 21, 4, Fast),
        new(82, 2, 21, 4, Fast),
        new(80, 2, 36, 5, Fastest),
    ];

    /// <summary>The 3½" drive of 1.44 MB, for one without a diskette.</summary>
    public const byte UsualDriveType = 4;

    /// <summary>The formats' sizes, for messages.</summary>
    public const string Sizes = "160, 180, 320, 360, 720 and 800 KiB, 1.2, 1.44, 1.68, 1.72 and 2.88 MB";

    /// <summary>Sectors of both sides.</summary>
    public int Sectors => Cylinders * Heads * SectorsPerTrack;

    /// <summary>
    /// The format of an image: the one of its size, or the smallest that holds it, where an image was cut off behind its last byte.
    /// </summary>
    /// <param name="sectors">Of 512 bytes.</param>
    /// <returns>Null for one that is larger than any diskette, or empty.</returns>
    public static FloppyGeometry? Find(long sectors) =>
        sectors <= 0 ? null : Formats.Where(format => format.Sectors >= sectors).MinBy(format => format.Sectors);
}
