using Strata.Core.Storage;

namespace Strata.Devices.Storage.Floppy;

/// <summary>
/// A diskette drive: the medium in it, and where its heads are. Under its controller's lock, but for reading and writing sectors.
/// </summary>
internal sealed class FloppyDrive
{
    /// <summary>Cylinders that heads can be moved over.</summary>
    public const int MostCylinders = 85;

    private const int SectorSize = 512;

    /// <summary>Null while the drive is empty.</summary>
    public IBlockBackend? Disk { get; private set; }

    public FloppyGeometry? Geometry { get; private set; }

    /// <summary>Where the heads are.</summary>
    public byte Cylinder { get; set; }

    /// <summary>
    /// The change line: a diskette was taken out, or none has been in since the start, and the heads have not been moved.
    /// </summary>
    public bool IsChanged { get; set; } = true;

    /// <summary>For CMOS RAM.</summary>
    public byte DriveType => Geometry?.DriveType ?? FloppyGeometry.UsualDriveType;

    /// <returns>The disk that was in the drive.</returns>
    public IBlockBackend? Exchange(IBlockBackend? disk, FloppyGeometry? geometry)
    {
        IBlockBackend? old = Disk;
        (Disk, Geometry) = (disk, geometry);
        IsChanged = true;
        return old;
    }

    /// <summary>Moves the heads; the step pulses reset the change line if there is a diskette.</summary>
    public void Seek(int cylinder)
    {
        bool moves = cylinder != Cylinder;
        Cylinder = (byte)Math.Clamp(cylinder, 0, MostCylinders);
        if (Disk is not null && moves)
        {
            IsChanged = false;
        }
    }

    /// <param name="lba">A sector of the format; what an image lacks of it reads as zeros.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void Read(IBlockBackend disk, long lba, Span<byte> sector)
    {
        if (lba < disk.Sectors)
        {
            disk.Read(lba * SectorSize, sector);
        }
        else
        {
            sector.Clear();
        }
    }

    /// <param name="lba">A sector of the format.</param>
    /// <exception cref="IOException">The disk failed, or the image ends before this sector.</exception>
    public static void Write(IBlockBackend disk, long lba, ReadOnlySpan<byte> sector)
    {
        if (lba >= disk.Sectors)
        {
            throw new IOException($"The image ends before sector {lba} of its format.");
        }

        disk.Write(lba * SectorSize, sector);
    }
}
