using System.Numerics;

namespace Strata.Core.Display;

/// <summary>
/// Glyphs of eight pixels' width, by which text is found in pictures. A glyph and its inverse are the same: what is drawn is known, its
/// colours are not.
/// </summary>
public sealed class ScreenFont
{
    /// <summary>Pixels of every glyph's width.</summary>
    public const int Width = 8;

    /// <summary>Pixels of the highest glyph.</summary>
    public const int LargestHeight = 32;

    private const int GlyphCount = 256;

    private readonly byte[] _rows; // in the order of code page 437, inverted where the first pixel is set
    private readonly bool[] _isInverted;
    private readonly Dictionary<int, List<byte>> _codes = [];

    /// <param name="rows">256 glyphs in the order of code page 437, a byte a row, the leftmost pixel in bit 7.</param>
    /// <param name="height">Rows of each, 1 to <see cref="LargestHeight"/>.</param>
    public ScreenFont(ReadOnlySpan<byte> rows, int height)
        : this(Split(rows, height), height)
    {
    }

    /// <param name="glyphs">By their codes in code page 437; a byte a row, the leftmost pixel in bit 7.</param>
    /// <param name="height">Rows of each, 1 to <see cref="LargestHeight"/>.</param>
    public ScreenFont(IReadOnlyDictionary<byte, byte[]> glyphs, int height)
    {
        ArgumentNullException.ThrowIfNull(glyphs);
        CheckHeight(height);
        Height = height;
        _rows = new byte[GlyphCount * height];
        _isInverted = new bool[GlyphCount];
        foreach (byte code in Preference().Where(glyphs.ContainsKey))
        {
            glyphs[code].AsSpan(0, height).CopyTo(_rows.AsSpan(code * height));
            Span<byte> glyph = _rows.AsSpan(code * height, height);
            _isInverted[code] = (glyph[0] & 0x80) != 0;
            if (_isInverted[code])
            {
                Invert(glyph);
            }

            if (Find(glyph) is null)
            {
                int key = KeyOf(glyph);
                (_codes.TryGetValue(key, out List<byte>? codes) ? codes : _codes[key] = []).Add(code);
            }
        }
    }

    /// <summary>Rows of every glyph.</summary>
    public int Height { get; }

    /// <summary>The code of a glyph; null for one that the font does not have.</summary>
    /// <param name="rows">A byte a row; bit 7 of the first is clear.</param>
    public byte? Find(ReadOnlySpan<byte> rows)
    {
        if (_codes.TryGetValue(KeyOf(rows), out List<byte>? codes))
        {
            foreach (byte code in codes)
            {
                if (rows.SequenceEqual(_rows.AsSpan(code * Height, Height)))
                {
                    return code;
                }
            }
        }

        return null;
    }

    /// <summary>Whether a glyph's first pixel is one of the foreground.</summary>
    public bool BeginsSet(byte code) => _isInverted[code];

    /// <summary>Rows of the glyphs in a PC's text modes.</summary>
    public static ReadOnlySpan<int> UsualHeights => [16, 14, 8];

    /// <summary>The first font of each usual height in a display's program.</summary>
    public static IReadOnlyList<ScreenFont> FindAll(ReadOnlySpan<byte> program)
    {
        List<ScreenFont> fonts = [];
        foreach (int height in UsualHeights)
        {
            ScreenFont? font = null;
            for (int at = 0; font is null && at + (GlyphCount * height) <= program.Length; at++)
            {
                font = TryRead(program, at, height);
            }

            if (font is not null)
            {
                fonts.Add(font);
            }
        }

        return fonts;
    }

    /// <summary>
    /// Reads a table of 256 glyphs if there is one, which is seen by what is the same in all of them: blanks, and the full and half blocks.
    /// </summary>
    /// <param name="at">Where it begins, inside or not.</param>
    public static ScreenFont? TryRead(ReadOnlySpan<byte> bytes, int at, int height)
    {
        CheckHeight(height);
        return at >= 0 && at + (GlyphCount * height) <= bytes.Length && IsFont(bytes.Slice(at, GlyphCount * height), height)
            ? new ScreenFont(bytes.Slice(at, GlyphCount * height), height)
            : null;
    }

    /// <summary>Whether another font has the same glyphs.</summary>
    public bool IsSame(ScreenFont other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Height == other.Height && _rows.AsSpan().SequenceEqual(other._rows);
    }

    private static Dictionary<byte, byte[]> Split(ReadOnlySpan<byte> rows, int height)
    {
        CheckHeight(height);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rows.Length, GlyphCount * height);
        Dictionary<byte, byte[]> glyphs = [];
        for (int code = 0; code < GlyphCount; code++)
        {
            glyphs[(byte)code] = rows.Slice(code * height, height).ToArray();
        }

        return glyphs;
    }

    private static void CheckHeight(int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, LargestHeight);
    }

    private static bool IsFont(ReadOnlySpan<byte> rows, int height)
    {
        bool Is(ReadOnlySpan<byte> all, int code, byte value) => !all.Slice(code * height, height).ContainsAnyExcept(value);

        return Is(rows, 0xDB, 0xFF) && Is(rows, 0xDD, 0xF0) && Is(rows, 0xDE, 0x0F) && Is(rows, 0, 0) && Is(rows, ' ', 0)
            && Is(rows, 0xFF, 0) && !Is(rows, 'A', 0);
    }

    /// <summary>Letters first: of signs that look alike, text is what is meant.</summary>
    private static IEnumerable<byte> Preference() =>
        Enumerable.Range(' ', 0x7F - ' ').Concat(Enumerable.Range(0x7F, GlyphCount - 0x7F)).Concat(Enumerable.Range(0, ' '))
            .Select(code => (byte)code);

    private static void Invert(Span<byte> rows)
    {
        foreach (ref byte row in rows)
        {
            row = (byte)~row;
        }
    }

    private static int KeyOf(ReadOnlySpan<byte> rows)
    {
        uint key = 0;
        foreach (byte row in rows)
        {
            key = BitOperations.RotateLeft(key * 0x9E3779B1, 7) ^ row;
        }

        return (int)key;
    }
}
