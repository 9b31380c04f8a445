using System.Buffers.Binary;
using Strata.Disks.Images;
using L = Strata.Disks.Vhdx.VhdxLayout;

namespace Strata.Disks.Vhdx;

/// <summary>Bytes of a file.</summary>
internal readonly record struct VhdxRegion(long Offset, uint Length)
{
    public long End => Offset + Length;

    public bool Overlaps(VhdxRegion other) => other.Offset < End && other.End > Offset;
}

/// <summary>Where BAT and metadata lie (*[MS-VHDX]*, "Region Table").</summary>
internal readonly record struct VhdxRegions(VhdxRegion Bat, VhdxRegion Metadata)
{
    public static VhdxRegions Read(ImageFile file, VhdxReplay replay, VhdxHeader header)
    {
        byte[] table = new byte[L.TableLength];
        replay.ReadStructure(file, L.RegionTable1Offset, table, "region table");
        if (!IsWhole(table))
        {
            replay.ReadStructure(file, L.RegionTable2Offset, table, "region table");
            if (!IsWhole(table))
            {
                throw file.Damaged("neither of its region tables is whole");
            }
        }

        VhdxRegions regions = Parse(table, file);
        VhdxRegion log = new(header.LogOffset, (uint)header.LogLength);
        if (regions.Bat.Overlaps(regions.Metadata) || regions.Bat.Overlaps(log) || regions.Metadata.Overlaps(log))
        {
            throw file.Damaged("its log, metadata and block allocation table lie on each other");
        }

        return regions;
    }

    public byte[] ToBytes()
    {
        byte[] table = new byte[L.TableLength];
        L.RegionSignature.CopyTo(table);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(L.RegionEntryCount), 2);
        WriteEntry(table.AsSpan(L.RegionEntries), L.BatRegion, Bat);
        WriteEntry(table.AsSpan(L.RegionEntries + L.TableEntryLength), L.MetadataRegion, Metadata);
        VhdxChecksum.Put(table);
        return table;
    }

    private static bool IsWhole(ReadOnlySpan<byte> table) => table.StartsWith(L.RegionSignature) && VhdxChecksum.IsRight(table);

    private static VhdxRegions Parse(ReadOnlySpan<byte> table, ImageFile file)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(table[L.RegionEntryCount..]);
        if (count > L.MaximumTableEntries)
        {
            throw file.Damaged($"its region table counts {count:N0} entries");
        }

        VhdxRegion? bat = null;
        VhdxRegion? metadata = null;
        for (int index = 0; index < count; index++)
        {
            ReadOnlySpan<byte> entry = table.Slice(L.RegionEntries + (index * L.TableEntryLength), L.TableEntryLength);
            Guid id = new(entry[..16]);
            if (id == L.BatRegion && bat is null)
            {
                bat = ParseEntry(entry, file);
            }
            else if (id == L.MetadataRegion && metadata is null)
            {
                metadata = ParseEntry(entry, file);
            }
            else if ((BinaryPrimitives.ReadUInt32LittleEndian(entry[L.RegionRequired..]) & 1) != 0)
            {
                throw file.Unsupported(
                    $"it needs a region {id} that is not known or occurs twice", "convert it with the program that wrote it");
            }
        }

        return bat is { } foundBat && metadata is { } foundMetadata
            ? new VhdxRegions(foundBat, foundMetadata)
            : throw file.Damaged("its region table names no block allocation table or no metadata");
    }

    private static VhdxRegion ParseEntry(ReadOnlySpan<byte> entry, ImageFile file)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(entry[L.RegionFileOffset..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(entry[L.RegionLength..]);
        return offset >= L.OneMegabyte
            && offset % L.OneMegabyte == 0
            && length > 0
            && length % L.OneMegabyte == 0
            && offset <= file.Length - length
            ? new VhdxRegion(offset, length)
            : throw file.Damaged($"a region of {length:N0} bytes at byte {offset:N0} lies outside the file, or is no multiple of 1 MB");
    }

    private static void WriteEntry(Span<byte> entry, Guid id, VhdxRegion region)
    {
        id.TryWriteBytes(entry);
        BinaryPrimitives.WriteInt64LittleEndian(entry[L.RegionFileOffset..], region.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[L.RegionLength..], region.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[L.RegionRequired..], 1);
    }
}
