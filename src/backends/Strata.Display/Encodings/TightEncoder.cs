using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Encodings;

/// <summary>TightVNC's encoding without its lossy parts: one colour, a palette or all pixels, packed by zlib.</summary>
internal sealed class TightEncoder : IRectangleEncoder, IDisposable
{
    /// <summary>Fewer bytes are sent as they are.</summary>
    private const int LeastPacked = 12;

    private const byte Fill = 0x80;
    private const byte HasFilter = 0x40;
    private const byte PaletteFilter = 1;
    private const int MostColours = 256;

    private readonly ConnectionDeflater[] _deflaters = [new(), new(), new()]; // of all pixels, two colours, palettes
    private readonly RfbWriter _plain = new();
    private readonly TilePixels _tile = new(IRectangleEncoder.MostPixels, MostColours);

    public int Number => RfbEncoding.Tight;

    public int MaxWidth => 2048;

    public void Encode(ScreenPicture picture, ScreenRectangle rectangle, PixelTranslator pixels, RfbWriter writer)
    {
        _tile.Load(picture, rectangle);
        if (_tile.ColourCount == 1)
        {
            writer.Byte(Fill);
            pixels.WriteTight(_tile.Colours[0], writer);
            return;
        }

        _plain.Clear();
        if (_tile.ColourCount == 2)
        {
            WritePalette(stream: 1, pixels, writer);
            AddBits(rectangle.Width);
            WriteData(_deflaters[1], writer);
        }
        else if (_tile.HasPalette && pixels.Bytes > 1)
        {
            WritePalette(stream: 2, pixels, writer);
            foreach (uint colour in _tile.Pixels)
            {
                _plain.Byte((byte)_tile.IndexOf(colour));
            }

            WriteData(_deflaters[2], writer);
        }
        else
        {
            writer.Byte(0);
            AddPixels(pixels);
            WriteData(_deflaters[0], writer);
        }
    }

    public void Dispose()
    {
        foreach (ConnectionDeflater deflater in _deflaters)
        {
            deflater.Dispose();
        }
    }

    private void WritePalette(int stream, PixelTranslator pixels, RfbWriter writer)
    {
        writer.Byte((byte)(HasFilter | (stream << 4)));
        writer.Byte(PaletteFilter);
        writer.Byte((byte)(_tile.ColourCount - 1));
        foreach (uint colour in _tile.Colours)
        {
            pixels.WriteTight(colour, writer);
        }
    }

    private void AddBits(int width)
    {
        ReadOnlySpan<uint> tile = _tile.Pixels;
        uint second = _tile.Colours[1];
        for (int row = 0; row < tile.Length; row += width)
        {
            Span<byte> line = _plain.Take((width + 7) / 8);
            line.Clear();
            for (int x = 0; x < width; x++)
            {
                if (tile[row + x] == second)
                {
                    line[x / 8] |= (byte)(0x80 >> (x % 8));
                }
            }
        }
    }

    private void AddPixels(PixelTranslator pixels)
    {
        if (!pixels.IsTightColour)
        {
            pixels.Write(_tile.Pixels, _plain);
            return;
        }

        foreach (uint colour in _tile.Pixels)
        {
            pixels.WriteTight(colour, _plain);
        }
    }

    private void WriteData(ConnectionDeflater deflater, RfbWriter writer)
    {
        ReadOnlySpan<byte> plain = _plain.Written.Span;
        if (plain.Length < LeastPacked)
        {
            writer.Bytes(plain);
            return;
        }

        ReadOnlySpan<byte> packed = deflater.Pack(plain);
        WriteLength(packed.Length, writer);
        writer.Bytes(packed);
    }

    /// <summary>Seven bits a byte, the lowest first, and eight in the third.</summary>
    private static void WriteLength(int length, RfbWriter writer)
    {
        if (length < 0x80)
        {
            writer.Byte((byte)length);
        }
        else if (length < 0x4000)
        {
            writer.Byte((byte)(length | 0x80));
            writer.Byte((byte)(length >> 7));
        }
        else
        {
            writer.Byte((byte)(length | 0x80));
            writer.Byte((byte)((length >> 7) | 0x80));
            writer.Byte((byte)(length >> 14));
        }
    }
}
