using System.Buffers.Binary;
using System.Numerics;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>The metadata items that describe the disk (*[MS-VHDX]*, "Metadata Region").</summary>
/// <param name="BlockSize">Bytes; a power of two.</param>
/// <param name="IsFixed">All blocks stay allocated.</param>
/// <param name="Size">Bytes of the disk.</param>
/// <param name="LogicalSectorSize">512 or 4096.</param>
internal readonly record struct VhdxMetadata(int BlockSize, bool IsFixed, long Size, int LogicalSectorSize)
{
    /// <summary>The specification's limit: 64 TB.</summary>
    public const long MaximumSize = 64L << 40;

    /// <summary>Bytes of the largest block allocation table that is read.</summary>
    private const long MaximumTable = 64 << 20;

    private const int SmallestBlock = L.OneMegabyte;
    private const int LargestBlock = 256 * L.OneMegabyte;

    /// <summary>Items lie behind the table.</summary>
    private const int FirstItem = L.TableLength;

    private static readonly (Guid Id, int Length)[] Known =
    [
        (L.FileParameters, 8), (L.VirtualDiskSize, 8), (L.VirtualDiskId, 16), (L.LogicalSectorSize, 4), (L.PhysicalSectorSize, 4),
    ];

    /// <summary>Payload blocks of the disk.</summary>
    public long Blocks => (Size + BlockSize - 1) / BlockSize;

    /// <summary>Payload blocks between two entries for sector bitmaps.</summary>
    public long ChunkRatio => L.SectorsPerBitmap * LogicalSectorSize / BlockSize;

    /// <summary>Entries of the BAT of a disk without parent.</summary>
    public long BatEntries => Blocks + ((Blocks - 1) / ChunkRatio);

    /// <summary>Blocks large enough that the table of a large disk stays small.</summary>
    public static VhdxMetadata ForNew(long size, bool isFixed)
    {
        const int UsualBlocks = 1 << 20;
        int block = 2 * L.OneMegabyte;
        while (size / block > UsualBlocks)
        {
            block *= 2;
        }

        return new VhdxMetadata(block, isFixed, size, LogicalSectorSize: 512);
    }

    public static VhdxMetadata Read(ImageFile file, VhdxReplay replay, VhdxRegion region)
    {
        byte[] table = new byte[L.TableLength];
        replay.ReadStructure(file, region.Offset, table, "metadata table");
        int count = BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(L.MetadataEntryCount));
        if (!table.AsSpan().StartsWith(L.MetadataSignature) || count > L.MaximumTableEntries)
        {
            throw file.Damaged("its metadata table is none");
        }

        byte[]?[] items = new byte[Known.Length][];
        for (int index = 0; index < count; index++)
        {
            ReadItem(table.AsSpan(L.MetadataEntries + (index * L.TableEntryLength), L.TableEntryLength), items, region, file, replay);
        }

        return Array.IndexOf(items, null) < 0
            ? Parse(items!, file)
            : throw file.Damaged("an item that describes the disk is missing from its metadata");
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[FirstItem + L.PageSize];
        L.MetadataSignature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(L.MetadataEntryCount), (ushort)Known.Length);
        int at = FirstItem;
        foreach ((int index, (Guid id, int length)) in Known.Index())
        {
            Span<byte> entry = bytes.AsSpan(L.MetadataEntries + (index * L.TableEntryLength));
            id.TryWriteBytes(entry);
            BinaryPrimitives.WriteInt32LittleEndian(entry[L.MetadataOffset..], at);
            BinaryPrimitives.WriteInt32LittleEndian(entry[L.MetadataLength..], length);
            BinaryPrimitives.WriteUInt32LittleEndian(
                entry[L.MetadataFlags..], L.MetadataIsRequired | (index == 0 ? 0 : L.MetadataIsVirtualDisk));
            WriteItem(id, bytes.AsSpan(at, length));
            at += length;
        }

        return bytes;
    }

    private static void ReadItem(ReadOnlySpan<byte> entry, byte[]?[] items, VhdxRegion region, ImageFile file, VhdxReplay replay)
    {
        Guid id = new(entry[..16]);
        int known = Array.FindIndex(Known, item => item.Id == id);
        if (known < 0)
        {
            if ((BinaryPrimitives.ReadUInt32LittleEndian(entry[L.MetadataFlags..]) & L.MetadataIsRequired) != 0)
            {
                throw id == L.ParentLocator
                    ? file.Unsupported("it holds only the differences to a parent image", "merge it into an image of its own")
                    : file.Unsupported($"it needs a metadata item {id} that is not known", "convert it with the program that wrote it");
            }

            return;
        }

        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(entry[L.MetadataOffset..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(entry[L.MetadataLength..]);
        if (length != Known[known].Length || offset < FirstItem || offset > region.Length - length || items[known] is not null)
        {
            throw file.Damaged(
                $"a metadata item of {length:N0} bytes at byte {offset:N0} of its region has a wrong size or place, or occurs twice");
        }

        items[known] = new byte[length];
        replay.ReadStructure(file, region.Offset + offset, items[known], "metadata item");
    }

    private static VhdxMetadata Parse(byte[][] items, ImageFile file)
    {
        uint blockSize = BinaryPrimitives.ReadUInt32LittleEndian(items[0]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(items[0].AsSpan(4));
        if ((flags & L.HasParent) != 0)
        {
            throw file.Unsupported("it holds only the differences to a parent image", "merge it into an image of its own");
        }

        long size = BinaryPrimitives.ReadInt64LittleEndian(items[1]);
        uint logical = BinaryPrimitives.ReadUInt32LittleEndian(items[3]);
        uint physical = BinaryPrimitives.ReadUInt32LittleEndian(items[4]);
        bool areSectorsKnown = logical is 512 or 4096 && physical is 512 or 4096;
        bool areBlocksKnown = BitOperations.IsPow2(blockSize) && blockSize is >= SmallestBlock and <= LargestBlock;
        if (!areSectorsKnown || !areBlocksKnown || size is <= 0 or > MaximumSize || size % logical != 0)
        {
            string sectors = $"with sectors of {logical:N0} and {physical:N0}";
            throw file.Damaged($"its metadata states a disk of {size:N0} bytes in blocks of {blockSize:N0} {sectors}");
        }

        VhdxMetadata metadata = new((int)blockSize, (flags & L.LeaveBlockAllocated) != 0, size, (int)logical);
        return metadata.BatEntries * L.BatEntrySize <= MaximumTable
            ? metadata
            : throw file.Unsupported(
                $"its {metadata.Blocks:N0} blocks of {blockSize:N0} bytes are too many", "convert it to larger blocks");
    }

    private void WriteItem(Guid id, Span<byte> item)
    {
        if (id == L.FileParameters)
        {
            BinaryPrimitives.WriteInt32LittleEndian(item, BlockSize);
            BinaryPrimitives.WriteUInt32LittleEndian(item[4..], IsFixed ? L.LeaveBlockAllocated : 0);
        }
        else if (id == L.VirtualDiskSize)
        {
            BinaryPrimitives.WriteInt64LittleEndian(item, Size);
        }
        else if (id == L.VirtualDiskId)
        {
            Guid.NewGuid().TryWriteBytes(item);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(item, LogicalSectorSize);
        }
    }
}
