using System.Buffers.Binary;
using System.IO.Compression;
using Strata.Disks.Images;
using L = Strata.Disks.Vmdk.VmdkLayout;

namespace Strata.Disks.Vmdk;

/// <summary>Compressed grains with their markers (*Virtual Disk Format 5.0*, "Stream-Optimized Compressed Sparse Extents").</summary>
internal static class VmdkGrainCodec
{
    /// <summary>Bytes that a compressed grain may take: more than deflate ever makes of one.</summary>
    public static int MaximumCompressed(int grainBytes) => grainBytes + (grainBytes / 8) + 64;

    /// <summary>Sectors of a compressed grain with its marker.</summary>
    public static long SectorsOf(uint size) => ((long)L.GrainMarkerLength + size + L.SectorSize - 1) / L.SectorSize;

    /// <returns>A marker and the compressed bytes, padded to whole sectors.</returns>
    public static byte[] Encode(long firstSector, ReadOnlySpan<byte> grain)
    {
        using MemoryStream stream = new();
        stream.SetLength(L.GrainMarkerLength);
        stream.Position = L.GrainMarkerLength;
        using (ZLibStream deflate = new(stream, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(grain);
        }

        int size = (int)stream.Length - L.GrainMarkerLength;
        stream.SetLength(SectorsOf((uint)size) * L.SectorSize);
        byte[] bytes = stream.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(bytes, firstSector);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), size);
        return bytes;
    }

    /// <summary>Reads a grain.</summary>
    /// <param name="sector">Of its marker.</param>
    /// <param name="firstSector">What the marker must say.</param>
    /// <returns>False when there is no such grain, or it is damaged.</returns>
    public static bool TryDecode(ImageFile file, long sector, long firstSector, Span<byte> grain)
    {
        Span<byte> marker = stackalloc byte[L.GrainMarkerLength];
        file.Read(sector * L.SectorSize, marker);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(marker[8..]);
        long start = (sector * L.SectorSize) + L.GrainMarkerLength;
        bool isTheGrain = BinaryPrimitives.ReadInt64LittleEndian(marker) == firstSector;
        if (!isTheGrain || size == 0 || size > MaximumCompressed(grain.Length) || start > file.Length - size)
        {
            return false;
        }

        byte[] compressed = new byte[size];
        file.Read(start, compressed);
        return TryInflate(compressed, grain);
    }

    /// <summary>The last grain of a disk may be shorter than the others; the rest is zeros. None may be longer.</summary>
    private static bool TryInflate(byte[] compressed, Span<byte> grain)
    {
        using ZLibStream inflate = new(new MemoryStream(compressed), CompressionMode.Decompress);
        try
        {
            int length = inflate.ReadAtLeast(grain, grain.Length, throwOnEndOfStream: false);
            grain[length..].Clear();
            return length > 0 && length % L.SectorSize == 0 && inflate.ReadByte() < 0;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }
}
