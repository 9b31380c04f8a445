using System.Buffers.Binary;
using System.Text;
using Strata.Core.Storage;

namespace Strata.Disks.Partitions;

/// <summary>
/// Writes the partition table of UEFI (GPT) with its copy at the disk's end, behind an MBR whose one partition keeps older programs away
/// (*UEFI Specification* 2.10, section 5).
/// </summary>
public static class GptTable
{
    /// <summary>Partitions that there is room for.</summary>
    public const int MostPartitions = 128;

    /// <summary>Sectors in front of the first that a partition can have, and behind the last.</summary>
    public const int FirstUsableSector = 34, SectorsBehind = 33;

    private const int SectorSize = 512;
    private const int EntrySize = 128;
    private const int HeaderSize = 92;
    private const int LongestName = 36;
    private const int TableSectors = MostPartitions * EntrySize / SectorSize;

    /// <summary>Writes the table; what is in partitions stays.</summary>
    /// <param name="disk">The disk to be partitioned.</param>
    /// <param name="diskId">Its identifier, which no other disk has.</param>
    /// <param name="partitions">By their numbers, from 1 on.</param>
    /// <exception cref="ArgumentException">Partitions overlap, are too many, or lie outside.</exception>
    public static void Write(IBlockBackend disk, Guid diskId, IReadOnlyList<GptPartition> partitions)
    {
        ArgumentNullException.ThrowIfNull(disk);
        Check(disk.Sectors, partitions);
        byte[] table = new byte[TableSectors * SectorSize];
        foreach ((int index, GptPartition partition) in partitions.Index())
        {
            WriteEntry(table.AsSpan(index * EntrySize, EntrySize), partition);
        }

        long last = disk.Sectors - 1;
        disk.Write(0, ProtectiveMbr(disk.Sectors));
        disk.Write(SectorSize, Header(1, last, 2, disk.Sectors, diskId, table));
        disk.Write(2 * SectorSize, table);
        disk.Write((last - TableSectors) * SectorSize, table);
        disk.Write(last * SectorSize, Header(last, 1, last - TableSectors, disk.Sectors, diskId, table));
    }

    private static void Check(long sectors, IReadOnlyList<GptPartition> partitions)
    {
        if (partitions.Count > MostPartitions)
        {
            throw new ArgumentException($"A table has {MostPartitions} partitions at most.", nameof(partitions));
        }

        long next = FirstUsableSector;
        foreach (GptPartition partition in partitions.OrderBy(partition => partition.FirstSector))
        {
            if (partition.FirstSector < next || partition.Sectors < 1 || partition.LastSector >= sectors - SectorsBehind
                || partition.Name.Length > LongestName)
            {
                throw new ArgumentException(
                    $"The partition {partition.Name} lies outside the disk's {sectors:N0} sectors or in another one, or its name is "
                    + "too long.",
                    nameof(partitions));
            }

            next = partition.LastSector + 1;
        }
    }

    private static void WriteEntry(Span<byte> entry, GptPartition partition)
    {
        partition.Type.TryWriteBytes(entry);
        partition.Id.TryWriteBytes(entry[16..]);
        BinaryPrimitives.WriteInt64LittleEndian(entry[32..], partition.FirstSector);
        BinaryPrimitives.WriteInt64LittleEndian(entry[40..], partition.LastSector);
        Encoding.Unicode.GetBytes(partition.Name, entry[56..]);
    }

    private static byte[] Header(long own, long other, long table, long sectors, Guid diskId, ReadOnlySpan<byte> entries)
    {
        byte[] sector = new byte[SectorSize];
        Span<byte> header = sector;
        "EFI PART"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], 0x10000);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], HeaderSize);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], own);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], other);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], FirstUsableSector);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], sectors - SectorsBehind - 1);
        diskId.TryWriteBytes(header[56..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[72..], table);
        BinaryPrimitives.WriteInt32LittleEndian(header[80..], MostPartitions);
        BinaryPrimitives.WriteInt32LittleEndian(header[84..], EntrySize);
        BinaryPrimitives.WriteUInt32LittleEndian(header[88..], Checksum(entries));
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], Checksum(header[..HeaderSize])); // over itself as zero
        return sector;
    }

    /// <summary>One partition of the type EEh over all that its numbers can say.</summary>
    private static byte[] ProtectiveMbr(long sectors)
    {
        byte[] sector = new byte[SectorSize];
        Span<byte> entry = sector.AsSpan(446, 16);
        ReadOnlySpan<byte> start = [0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF];
        start.CopyTo(entry);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], (uint)Math.Min(sectors - 1, uint.MaxValue));
        (sector[510], sector[511]) = (0x55, 0xAA);
        return sector;
    }

    /// <summary>CRC-32 as Ethernet has it.</summary>
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        const uint polynomial = 0xEDB88320;
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ polynomial : crc >> 1;
            }
        }

        return ~crc;
    }
}
