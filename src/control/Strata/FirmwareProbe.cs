using System.Buffers.Binary;
using Strata.Disks;
using Strata.Disks.Images;

namespace Strata;

/// <summary>
/// Which firmware a machine's disks and discs are made for. El Torito 1.0, "Booting Catalog"; UEFI Specification 2.10, "GUID Partition
/// Table (GPT) Disk Layout".
/// </summary>
internal static class FirmwareProbe
{
    private const int SectorSize = 512;
    private const int DiscSector = 2048;
    private const int MostEntries = 256;
    private const int BootCode = 440; // bytes in front of a disk's signature
    private const byte EfiPlatform = 0xEF;
    private const byte BiosPlatform = 0;
    private static readonly Guid EfiSystemPartition = new("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");

    /// <summary>The first in the machine's order that can be started says which; SeaBIOS for a machine of which none can.</summary>
    public static FirmwareKind Choose(MachineSpec spec)
    {
        foreach (BootDevice device in spec.Boot.Concat(Enum.GetValues<BootDevice>()).Distinct())
        {
            foreach (DiskSpec disk in spec.Disks.Where(disk => !disk.IsEmpty && device == DeviceOf(disk.Bus)))
            {
                if (Find(disk) is { } kind)
                {
                    return kind;
                }
            }
        }

        return FirmwareKind.SeaBios;
    }

    /// <returns>Null for a disk that nothing can be started from.</returns>
    private static FirmwareKind? Find(DiskSpec disk)
    {
        try
        {
            using DiskImage image = DiskImages.Open(
                disk.Path, new DiskOpenOptions { Format = disk.Format, ReadOnly = true, Backing = DiskTool.ToAccess(disk.Backing) });
            return disk.Bus switch
            {
                DiskBus.Cdrom => FindOnDisc(image),
                DiskBus.Floppy => FindOnDiskette(image),
                _ => FindOnDisk(image),
            };
        }
        catch (IOException)
        {
            return null; // the machine opens it again, and says what is wrong
        }
    }

    private static BootDevice DeviceOf(DiskBus bus) => bus switch
    {
        DiskBus.Cdrom => BootDevice.Cdrom,
        DiskBus.Floppy => BootDevice.Floppy,
        _ => BootDevice.Disk,
    };

    private static FirmwareKind? FindOnDiskette(DiskImage diskette)
    {
        byte[] first = Read(diskette, 0, SectorSize);
        return first[510] == 0x55 && first[511] == 0xAA ? FirmwareKind.SeaBios : null;
    }

    private static FirmwareKind? FindOnDisk(DiskImage disk)
    {
        byte[] first = Read(disk, 0, SectorSize);
        if (first[510] != 0x55 || first[511] != 0xAA)
        {
            return null;
        }

        bool hasCode = first.AsSpan(0, BootCode).ContainsAnyExcept((byte)0);
        return hasCode ? FirmwareKind.SeaBios : HasEfiPartition(disk, first) ? FirmwareKind.Ovmf : null;
    }

    private static bool HasEfiPartition(DiskImage disk, ReadOnlySpan<byte> first)
    {
        const int partitions = 446;
        const int typePlace = 4;
        for (int i = 0; i < 4; i++)
        {
            if (first[partitions + (i * 16) + typePlace] == EfiPlatform)
            {
                return true;
            }
        }

        byte[] header = Read(disk, SectorSize, SectorSize);
        if (!header.AsSpan(0, 8).SequenceEqual("EFI PART"u8))
        {
            return false;
        }

        ulong place = BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(72));
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(80));
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(84));
        if (place > (ulong)disk.Sectors || size is < 128 or > 4096 || size % 128 != 0)
        {
            return false;
        }

        byte[] entries = Read(disk, (long)place * SectorSize, (int)(Math.Min(count, MostEntries) * size));
        return Enumerable.Range(0, entries.Length / (int)size)
            .Any(entry => new Guid(entries.AsSpan(entry * (int)size, 16)) == EfiSystemPartition);
    }

    private static FirmwareKind? FindOnDisc(DiskImage disc)
    {
        byte[] record = Read(disc, 17 * DiscSector, DiscSector);
        if (record[0] != 0 || !record.AsSpan(1, 5).SequenceEqual("CD001"u8) || !record.AsSpan(7).StartsWith("EL TORITO SPECIFICATION"u8))
        {
            return null;
        }

        byte[] catalog = Read(disc, BinaryPrimitives.ReadUInt32LittleEndian(record.AsSpan(0x47)) * (long)DiscSector, DiscSector);
        List<byte> platforms = [];
        if (catalog[0] == 1 && catalog[32] == 0x88)
        {
            platforms.Add(catalog[1]);
        }

        for (int at = 64; at + 32 <= DiscSector && catalog[at] is 0x90 or 0x91; at += 32 * (1 + catalog[at + 2]))
        {
            platforms.Add(catalog[at + 1]);
        }

        return platforms.Contains(BiosPlatform) ? FirmwareKind.SeaBios : platforms.Contains(EfiPlatform) ? FirmwareKind.Ovmf : null;
    }

    /// <summary>Bytes of a disk; what lies behind its end is zeros.</summary>
    private static byte[] Read(DiskImage disk, long offset, int length)
    {
        byte[] bytes = new byte[length];
        long here = Math.Clamp((disk.Sectors * SectorSize) - offset, 0, length) / SectorSize * SectorSize;
        disk.Read(offset, bytes.AsSpan(0, (int)here));
        return bytes;
    }
}
