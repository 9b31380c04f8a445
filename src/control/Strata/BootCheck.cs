using System.Buffers.Binary;
using Strata.Core.Storage;
using Strata.Snapshots;

namespace Strata;

/// <summary>What firmware will not find on disks and discs, so that whoever starts a machine reads it where they started it.</summary>
internal static class BootCheck
{
    private const int SectorSize = 512;
    private const int BlockSize = 2048;

    // ECMA-119, "Volume Descriptors", and the El Torito specification 1.0, "Boot Record Volume Descriptor"
    private const int PrimaryDescriptor = 16;
    private const int BootRecord = 17;
    private const int VolumeSpaceSize = 80;
    private const int LogicalBlockSize = 128;

    private const int BootSystemIdentifier = 7;

    /// <summary>Blocks of padding at an image's end that programs leave out at times.</summary>
    private const int Padding = 150;

    private static ReadOnlySpan<byte> StandardIdentifier => "CD001"u8;

    private static ReadOnlySpan<byte> ElTorito => "EL TORITO SPECIFICATION"u8;

    /// <returns>Sentences; none where all is well.</returns>
    /// <param name="disks">Of a machine that firmware starts.</param>
    public static IReadOnlyList<string> Find(IReadOnlyCollection<MachineDisk> disks)
    {
        MachineDisk[] there = [.. disks.Where(disk => disk.Medium is not null)];
        List<string> found = [.. there.Where(disk => disk.Spec.Bus == DiskBus.Cdrom).Select(FindCut).OfType<string>()];
        if (!there.Any(CanStart))
        {
            string names = string.Join(", ", there.Select(disk =>
                $"{disk.Spec.Path} has no {(disk.Spec.Bus == DiskBus.Cdrom ? "boot record (El Torito)" : "boot sector")}"));
            found.Add(
                $"The firmware will find nothing to start{(names.Length == 0 ? string.Empty : $": {names}")}. Give it a disk with a boot " +
                $"loader, or a disc to start from with --cdrom.");
        }

        return found;
    }

    private static bool CanStart(MachineDisk disk)
    {
        byte[] sector = Read(disk.Backend, disk.Spec.Bus == DiskBus.Cdrom ? BootRecord * BlockSize : 0);
        return disk.Spec.Bus == DiskBus.Cdrom
            ? IsDescriptor(sector, type: 0) && sector.AsSpan(BootSystemIdentifier).StartsWith(ElTorito)
            : sector[SectorSize - 2] == 0x55 && sector[SectorSize - 1] == 0xAA;
    }

    private static string? FindCut(MachineDisk disk)
    {
        byte[] descriptor = Read(disk.Backend, PrimaryDescriptor * BlockSize);
        if (!IsDescriptor(descriptor, type: 1))
        {
            return null;
        }

        long block = BinaryPrimitives.ReadUInt16LittleEndian(descriptor.AsSpan(LogicalBlockSize));
        long blocks = BinaryPrimitives.ReadUInt32LittleEndian(descriptor.AsSpan(VolumeSpaceSize));
        long length = disk.Backend.Sectors * SectorSize;
        return (blocks - Padding) * block > length
            ? $"The disc {disk.Spec.Path} is cut off: its file system has {blocks * block:N0} bytes, and the file {length:N0}. " +
                "Fetch it again."
            : null;
    }

    private static bool IsDescriptor(ReadOnlySpan<byte> sector, byte type) =>
        sector[0] == type && sector[1..].StartsWith(StandardIdentifier);

    /// <returns>A sector; zeros where the medium has none, or cannot be read: the guest is told that by its drive.</returns>
    private static byte[] Read(IBlockBackend medium, long offset)
    {
        byte[] sector = new byte[SectorSize];
        if (offset + SectorSize <= medium.Sectors * SectorSize)
        {
            try
            {
                medium.Read(offset, sector);
            }
            catch (IOException)
            {
                Array.Clear(sector);
            }
        }

        return sector;
    }
}
