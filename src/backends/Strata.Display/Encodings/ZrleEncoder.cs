using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Encodings;

/// <summary>Tiles of 64 × 64 with palettes and runs, packed by zlib: RFC 6143, section 7.7.6.</summary>
internal sealed class ZrleEncoder : IRectangleEncoder, IDisposable
{
    private const int Tile = 64;
    private const int MostPacked = 16;
    private const int MostColours = 127;
    private const byte RunsBit = 128;

    private readonly TilePixels _tile = new(Tile * Tile, MostColours);
    private readonly RfbWriter _plain = new();
    private readonly ConnectionDeflater _deflater = new();

    public int Number => RfbEncoding.Zrle;

    public int RowsOfTile => Tile;

    public void Encode(ScreenPicture picture, ScreenRectangle rectangle, PixelTranslator pixels, RfbWriter writer)
    {
        _plain.Clear();
        for (int y = rectangle.Y; y < rectangle.Bottom; y += Tile)
        {
            for (int x = rectangle.X; x < rectangle.Right; x += Tile)
            {
                int width = Math.Min(Tile, rectangle.Right - x);
                _tile.Load(picture, new ScreenRectangle(x, y, width, Math.Min(Tile, rectangle.Bottom - y)));
                EncodeTile(width, pixels);
            }
        }

        ReadOnlySpan<byte> packed = _deflater.Pack(_plain.Written.Span);
        writer.Number32(packed.Length);
        writer.Bytes(packed);
    }

    public void Dispose() => _deflater.Dispose();

    /// <summary>The shortest form before zlib; runs of a palette are about two bytes, plain ones a pixel and one.</summary>
    private void EncodeTile(int width, PixelTranslator pixels)
    {
        int height = _tile.Pixels.Length / width;
        int pixelBytes = pixels.CompactBytes;
        int raw = _tile.Pixels.Length * pixelBytes;
        int plainRuns = _tile.RunCount * (pixelBytes + 1);
        if (_tile.ColourCount == 1)
        {
            _plain.Byte(1);
            pixels.WriteCompact(_tile.Colours[0], _plain);
            return;
        }

        int palette = _tile.HasPalette ? _tile.ColourCount * pixelBytes : int.MaxValue / 2;
        int paletteRuns = palette + (_tile.RunCount * 2);
        int packed = _tile.ColourCount <= MostPacked ? palette + (RowBytes(width) * height) : int.MaxValue;
        int best = Math.Min(Math.Min(raw, plainRuns), Math.Min(packed, paletteRuns));
        if (best == packed)
        {
            EncodePacked(width, pixels);
        }
        else if (best == paletteRuns)
        {
            EncodePaletteRuns(pixels);
        }
        else if (best == plainRuns)
        {
            EncodePlainRuns(pixels);
        }
        else
        {
            _plain.Byte(0);
            foreach (uint colour in _tile.Pixels)
            {
                pixels.WriteCompact(colour, _plain);
            }
        }
    }

    private int BitsOfIndex => _tile.ColourCount <= 2 ? 1 : _tile.ColourCount <= 4 ? 2 : 4;

    private int RowBytes(int width) => ((width * BitsOfIndex) + 7) / 8;

    private void EncodePacked(int width, PixelTranslator pixels)
    {
        WritePalette(_tile.ColourCount, pixels);
        int bits = BitsOfIndex;
        ReadOnlySpan<uint> tile = _tile.Pixels;
        for (int row = 0; row < tile.Length; row += width)
        {
            Span<byte> line = _plain.Take(RowBytes(width));
            line.Clear();
            for (int x = 0; x < width; x++)
            {
                line[x * bits / 8] |= (byte)(_tile.IndexOf(tile[row + x]) << (8 - bits - (x * bits % 8)));
            }
        }
    }

    private void EncodePaletteRuns(PixelTranslator pixels)
    {
        WritePalette(RunsBit | _tile.ColourCount, pixels);
        ReadOnlySpan<uint> tile = _tile.Pixels;
        for (int i = 0; i < tile.Length;)
        {
            int length = RunLength(tile, i);
            int index = _tile.IndexOf(tile[i]);
            i += length;
            if (length == 1)
            {
                _plain.Byte((byte)index);
                continue;
            }

            _plain.Byte((byte)(RunsBit | index));
            WriteLength(length);
        }
    }

    private void EncodePlainRuns(PixelTranslator pixels)
    {
        _plain.Byte(RunsBit);
        ReadOnlySpan<uint> tile = _tile.Pixels;
        for (int i = 0; i < tile.Length;)
        {
            int length = RunLength(tile, i);
            pixels.WriteCompact(tile[i], _plain);
            WriteLength(length);
            i += length;
        }
    }

    private void WritePalette(int kind, PixelTranslator pixels)
    {
        _plain.Byte((byte)kind);
        foreach (uint colour in _tile.Colours)
        {
            pixels.WriteCompact(colour, _plain);
        }
    }

    /// <summary>One less than a length, as a sum of bytes that ends with the first one below 255.</summary>
    private void WriteLength(int length)
    {
        int left = length - 1;
        while (left >= 255)
        {
            _plain.Byte(255);
            left -= 255;
        }

        _plain.Byte((byte)left);
    }

    private static int RunLength(ReadOnlySpan<uint> tile, int from)
    {
        int length = tile[from..].IndexOfAnyExcept(tile[from]);
        return length < 0 ? tile.Length - from : length;
    }
}
