using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Strata.Screens;

namespace Strata.Tests.Screens;

/// <summary>W3C, <i>Portable Network Graphics (PNG) Specification</i>, 3rd edition.</summary>
public sealed class PngWriterTests
{
    [Fact]
    public void Write_Picture_ReadsBackPixelByPixel()
    {
        uint[] pixels = [0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF, 0x000000, 0x123456];

        byte[] png = PngWriter.Write(3, 2, pixels);

        List<(string Type, byte[] Content)> chunks = ReadChunks(png);
        Assert.Equal(["IHDR", "IDAT", "IEND"], chunks.Select(chunk => chunk.Type));
        Assert.Equal([0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0], chunks[0].Content);
        Assert.Equal(pixels, Decode(chunks[1].Content, width: 3, height: 2));
    }

    [Fact]
    public void Write_EndChunk_HasTheChecksumThatEveryPngEndsWith() =>
        Assert.Equal([0xAE, 0x42, 0x60, 0x82], PngWriter.Write(1, 1, [0u])[^4..]);

    private static List<(string Type, byte[] Content)> ReadChunks(byte[] png)
    {
        Assert.Equal([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], png[..8]);
        List<(string, byte[])> chunks = [];
        for (int at = 8; at < png.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(at));
            chunks.Add((Encoding.ASCII.GetString(png, at + 4, 4), png[(at + 8)..(at + 8 + length)]));
            at += length + 12;
        }

        return chunks;
    }

    /// <summary>Undoes the filter "Sub", which every line has.</summary>
    private static uint[] Decode(byte[] compressed, int width, int height)
    {
        using ZLibStream stream = new(new MemoryStream(compressed), CompressionMode.Decompress);
        uint[] pixels = new uint[width * height];
        byte[] line = new byte[1 + (width * 3)];
        for (int y = 0; y < height; y++)
        {
            stream.ReadExactly(line);
            Assert.Equal(1, line[0]);
            byte[] left = new byte[3];
            for (int x = 0; x < width; x++)
            {
                for (int i = 0; i < 3; i++)
                {
                    left[i] += line[1 + (x * 3) + i];
                }

                pixels[(y * width) + x] = ((uint)left[0] << 16) | ((uint)left[1] << 8) | left[2];
            }
        }

        return pixels;
    }
}
