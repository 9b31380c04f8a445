using System.Buffers.Binary;
using System.Numerics;
using Strata.Disks.Images;
using L = Strata.Disks.Vhd.VhdLayout;

namespace Strata.Disks.Vhd;

/// <summary>The checked dynamic disk header.</summary>
/// <param name="TableOffset">Where the BAT lies; bytes from the start of the file.</param>
/// <param name="Entries">Entries of the BAT.</param>
/// <param name="BlockSize">Bytes; a power of two.</param>
internal readonly record struct VhdDynamicHeader(long TableOffset, uint Entries, int BlockSize)
{
    /// <summary>The specification's default.</summary>
    public const int DefaultBlockSize = 2 << 20;

    private const uint MaximumEntries = 16 << 20;
    private const uint SmallestBlock = 16 << 10;
    private const uint LargestBlock = 256 << 20;

    /// <summary>Bytes of a block's sector bitmap, whole sectors.</summary>
    public int BitmapLength => ((BlockSize / L.SectorSize / 8) + L.SectorSize - 1) / L.SectorSize * L.SectorSize;

    /// <summary>Bytes of the BAT, whole sectors.</summary>
    public int TableLength => (int)(((Entries * L.EntrySize) + L.SectorSize - 1) / L.SectorSize * L.SectorSize);

    public static VhdDynamicHeader ForNew(long size) =>
        new(L.FooterLength + L.DynamicHeaderLength, (uint)((size + DefaultBlockSize - 1) / DefaultBlockSize), DefaultBlockSize);

    public static VhdDynamicHeader Read(VhdFooter footer, ImageFile file)
    {
        byte[] header = new byte[L.DynamicHeaderLength];
        file.ReadStructure((long)Math.Min(footer.DataOffset, long.MaxValue), header, "dynamic disk header");
        if (!header.AsSpan().StartsWith(L.HeaderCookie) || !VhdChecksum.IsRight(header, L.HeaderChecksum))
        {
            throw file.Damaged("its dynamic disk header does not match its checksum");
        }

        if (Word(header, L.HeaderVersion) != L.Version1)
        {
            throw file.Unsupported("its dynamic disk header has an unknown version", "convert it to version 1.0");
        }

        uint blockSize = Word(header, L.BlockSize);
        uint entries = Word(header, L.MaxTableEntries);
        if (!BitOperations.IsPow2(blockSize) || blockSize is < SmallestBlock or > LargestBlock || entries > MaximumEntries)
        {
            throw file.Unsupported($"it has {entries:N0} blocks of {blockSize:N0} bytes", "convert it to blocks of 2 MiB");
        }

        long table = BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(L.TableOffset));
        if (footer.Size > (long)entries * blockSize || table < L.FooterLength || table % L.SectorSize != 0)
        {
            throw file.Damaged(
                $"its {entries:N0} blocks cannot hold its disk of {footer.Size:N0} bytes, or their table lies at byte {table:N0}");
        }

        return new VhdDynamicHeader(table, entries, (int)blockSize);
    }

    public byte[] ToBytes()
    {
        byte[] header = new byte[L.DynamicHeaderLength];
        L.HeaderCookie.CopyTo(header);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(L.HeaderDataOffset), ulong.MaxValue);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(L.TableOffset), TableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(L.HeaderVersion), L.Version1);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(L.MaxTableEntries), Entries);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(L.BlockSize), (uint)BlockSize);
        VhdChecksum.Put(header, L.HeaderChecksum);
        return header;
    }

    private static uint Word(ReadOnlySpan<byte> header, int field) => BinaryPrimitives.ReadUInt32BigEndian(header[field..]);
}
