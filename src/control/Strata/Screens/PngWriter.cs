using System.Buffers.Binary;
using System.IO.Compression;

namespace Strata.Screens;

/// <summary>Writes pictures of 8 bits a colour. W3C, <i>Portable Network Graphics (PNG) Specification</i>, 3rd edition.</summary>
internal static class PngWriter
{
    private const int BytesOfPixel = 3;
    private const byte FilterSub = 1; // each byte is the difference to the same colour of the pixel to the left
    private static readonly uint[] ChecksumTable = [.. Enumerable.Range(0, 256).Select(value => ChecksumOf((uint)value))];

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <param name="pixels">Line by line, each 0x00RRGGBB.</param>
    public static byte[] Write(int width, int height, ReadOnlySpan<uint> pixels)
    {
        using MemoryStream file = new();
        file.Write(Signature);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        (header[8], header[9]) = (8, 2); // bits of a colour, RGB
        WriteChunk(file, "IHDR"u8, header);
        WriteChunk(file, "IDAT"u8, Compress(width, height, pixels));
        WriteChunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    private static byte[] Compress(int width, int height, ReadOnlySpan<uint> pixels)
    {
        using MemoryStream compressed = new();
        using (ZLibStream lines = new(compressed, CompressionLevel.Optimal, leaveOpen: true))
        {
            byte[] line = new byte[1 + (width * BytesOfPixel)];
            for (int y = 0; y < height; y++)
            {
                Filter(pixels.Slice(y * width, width), line);
                lines.Write(line);
            }
        }

        return compressed.ToArray();
    }

    private static void Filter(ReadOnlySpan<uint> pixels, byte[] line)
    {
        line[0] = FilterSub;
        uint left = 0;
        for (int x = 0; x < pixels.Length; x++)
        {
            uint pixel = pixels[x];
            int at = 1 + (x * BytesOfPixel);
            line[at] = (byte)((pixel >> 16) - (left >> 16));
            line[at + 1] = (byte)((pixel >> 8) - (left >> 8));
            line[at + 2] = (byte)(pixel - left);
            left = pixel;
        }
    }

    /// <summary>CRC-32 of ISO 3309.</summary>
    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in bytes)
        {
            sum = ChecksumTable[(byte)(sum ^ value)] ^ (sum >> 8);
        }

        return ~sum;
    }

    private static uint ChecksumOf(uint value)
    {
        for (int bit = 0; bit < 8; bit++)
        {
            value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1;
        }

        return value;
    }

    private static void WriteChunk(Stream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        byte[] chunk = new byte[content.Length + 12];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        type.CopyTo(chunk.AsSpan(4));
        content.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(content.Length + 8), Checksum(chunk.AsSpan(4, content.Length + 4)));
        file.Write(chunk);
    }
}
