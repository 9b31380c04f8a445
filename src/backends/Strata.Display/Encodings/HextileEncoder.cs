using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Encodings;

/// <summary>Tiles of 16 × 16 with a background and rectangles on it: RFC 6143, section 7.7.4.</summary>
internal sealed class HextileEncoder : IRectangleEncoder
{
    private const int Tile = 16;
    private const byte IsRaw = 1;
    private const byte HasBackground = 2;
    private const byte HasForeground = 4;
    private const byte HasRectangles = 8;
    private const byte AreColoured = 16;
    private const int MostRectangles = 255;

    private readonly TilePixels _tile = new(Tile * Tile, 64);
    private readonly bool[] _covered = new bool[Tile * Tile];

    public int Number => RfbEncoding.Hextile;

    public int RowsOfTile => Tile;

    public void Encode(ScreenPicture picture, ScreenRectangle rectangle, PixelTranslator pixels, RfbWriter writer)
    {
        for (int y = rectangle.Y; y < rectangle.Bottom; y += Tile)
        {
            for (int x = rectangle.X; x < rectangle.Right; x += Tile)
            {
                int width = Math.Min(Tile, rectangle.Right - x);
                _tile.Load(picture, new ScreenRectangle(x, y, width, Math.Min(Tile, rectangle.Bottom - y)));
                EncodeTile(width, pixels, writer);
            }
        }
    }

    /// <summary>Each tile says its colours anew, so that none depends on the one before.</summary>
    private void EncodeTile(int width, PixelTranslator pixels, RfbWriter writer)
    {
        int start = writer.Length;
        int limit = start + 1 + (_tile.Pixels.Length * pixels.Bytes);
        if (_tile.ColourCount == 1)
        {
            writer.Byte(HasBackground);
            pixels.Write(_tile.Colours[0], writer);
        }
        else if (!_tile.HasPalette || !TryEncodeRectangles(width, pixels, writer, limit))
        {
            writer.CutTo(start);
            writer.Byte(IsRaw);
            pixels.Write(_tile.Pixels, writer);
        }
    }

    private bool TryEncodeRectangles(int width, PixelTranslator pixels, RfbWriter writer, int limit)
    {
        uint background = FindBackground();
        bool coloured = _tile.ColourCount > 2;
        writer.Byte((byte)(HasBackground | HasRectangles | (coloured ? AreColoured : HasForeground)));
        pixels.Write(background, writer);
        if (!coloured)
        {
            pixels.Write(_tile.Colours[_tile.Colours[0] == background ? 1 : 0], writer);
        }

        int countAt = writer.Length;
        writer.Byte(0);
        int count = 0;
        ReadOnlySpan<uint> tile = _tile.Pixels;
        Array.Clear(_covered);
        for (int i = 0; i < tile.Length; i++)
        {
            if (_covered[i] || tile[i] == background)
            {
                continue;
            }

            (int right, int down) = Grow(tile, width, i);
            if (++count > MostRectangles)
            {
                return false;
            }

            if (coloured)
            {
                pixels.Write(tile[i], writer);
            }

            writer.Byte((byte)((i % width << 4) | (i / width)));
            writer.Byte((byte)((right - 1 << 4) | (down - 1)));
            if (writer.Length >= limit)
            {
                return false;
            }
        }

        writer.At(countAt) = (byte)count;
        return true;
    }

    /// <summary>The largest rectangle of one colour to the right and then down, which is covered from then on.</summary>
    private (int Width, int Height) Grow(ReadOnlySpan<uint> tile, int width, int from)
    {
        uint colour = tile[from];
        int most = width - (from % width);
        int right = 1;
        while (right < most && tile[from + right] == colour && !_covered[from + right])
        {
            right++;
        }

        int down = 1;
        while (from + (down * width) < tile.Length && !tile.Slice(from + (down * width), right).ContainsAnyExcept(colour))
        {
            down++;
        }

        for (int row = 0; row < down; row++)
        {
            _covered.AsSpan(from + (row * width), right).Fill(true);
        }

        return (right, down);
    }

    /// <summary>Of two colours the more frequent one; of more, the first corner's.</summary>
    private uint FindBackground()
    {
        uint first = _tile.Colours[0];
        return _tile.ColourCount == 2 && _tile.Pixels.Count(first) * 2 < _tile.Pixels.Length ? _tile.Colours[1] : first;
    }
}
