using Strata.Core.Display;

namespace Strata.Display.Encodings;

/// <summary>
/// The pixels of one tile in a row and what they are made of: colours in the order in which they appear, as far as they are few, and runs.
/// Reused from tile to tile.
/// </summary>
internal sealed class TilePixels(int capacity, int mostColours)
{
    private const int Slots = 1024; // more than twice the most colours

    private readonly uint[] _pixels = new uint[capacity];
    private readonly uint[] _colours = new uint[mostColours];
    private readonly short[] _slots = new short[Slots]; // index of a colour and one
    private int _count;

    /// <summary>The pixels, row by row.</summary>
    public ReadOnlySpan<uint> Pixels => _pixels.AsSpan(0, _count);

    /// <summary>The colours; of no use where there are too many.</summary>
    public ReadOnlySpan<uint> Colours => _colours.AsSpan(0, Math.Min(ColourCount, mostColours));

    /// <summary>How many colours there are; the most and one where there are too many.</summary>
    public int ColourCount { get; private set; }

    /// <summary>Whether <see cref="Colours"/> has them all.</summary>
    public bool HasPalette => ColourCount <= mostColours;

    /// <summary>Stretches of one colour.</summary>
    public int RunCount { get; private set; }

    /// <summary>Takes the pixels of a tile.</summary>
    public void Load(ScreenPicture picture, ScreenRectangle tile)
    {
        _count = 0;
        for (int y = tile.Y; y < tile.Bottom; y++)
        {
            picture.Row(y).Slice(tile.X, tile.Width).CopyTo(_pixels.AsSpan(_count));
            _count += tile.Width;
        }

        Analyse();
    }

    /// <summary>The number of a colour that the tile has.</summary>
    public int IndexOf(uint colour)
    {
        int slot = Hash(colour);
        while (_colours[_slots[slot] - 1] != colour)
        {
            slot = (slot + 1) % Slots;
        }

        return _slots[slot] - 1;
    }

    private void Analyse()
    {
        Array.Clear(_slots);
        ColourCount = 0;
        RunCount = 0;
        ReadOnlySpan<uint> pixels = Pixels;
        for (int i = 0; i < pixels.Length; i++)
        {
            if (i > 0 && pixels[i] == pixels[i - 1])
            {
                continue;
            }

            RunCount++;
            if (HasPalette)
            {
                Add(pixels[i]);
            }
        }
    }

    private void Add(uint colour)
    {
        int slot = Hash(colour);
        while (_slots[slot] != 0)
        {
            if (_colours[_slots[slot] - 1] == colour)
            {
                return;
            }

            slot = (slot + 1) % Slots;
        }

        if (ColourCount < mostColours)
        {
            _colours[ColourCount] = colour;
            _slots[slot] = (short)(ColourCount + 1);
        }

        ColourCount++;
    }

    private static int Hash(uint colour) => (int)((colour * 2654435761) >> 22);
}
