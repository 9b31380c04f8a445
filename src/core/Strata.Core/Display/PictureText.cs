namespace Strata.Core.Display;

/// <summary>
/// Finds text in pictures that systems draw with the fonts of a display's program, as Linux does on a framebuffer: characters in a grid
/// that may begin anywhere. Between two pictures, only what has changed is read again. Not safe on several threads.
/// </summary>
public sealed class PictureText
{
    /// <summary>Pictures between two searches for further fonts, at first and at most.</summary>
    private const int FirstPause = 20, LongestPause = 640;

    /// <summary>Letters next to each other that make a word: fewer may be what lines of a drawing look like.</summary>
    private const int ShortestWord = 3;

    /// <summary>A search costs as much as reading hundreds of pictures: where there is no text, few are searched.</summary>
    private const int MostSkips = 15;

    private const byte Blank = (byte)' ';

    private readonly IReadOnlyList<ScreenFont> _ownFonts;
    private readonly Func<IReadOnlyList<ScreenFont>>? _findFonts;
    private readonly List<ScreenRectangle> _changed = [];
    private IReadOnlyList<ScreenFont> _fonts;
    private ScreenPicture? _picture;
    private ScreenFont? _font;
    private int _left;
    private int _top;
    private int _columns;
    private ushort[] _cells = [];
    private int _patience; // pictures that are let pass behind the next search that finds nothing
    private int _skips;    // of these, those to come
    private bool _wasSkipped; // the last picture: it is searched later even if it stands still
    private bool _hasUnknown; // a cell was read that looks like a glyph of no font
    private int _pause;    // between the next two searches for fonts
    private int _untilSearch;

    /// <param name="fonts">What text may be drawn with: what shows most letters is it.</param>
    /// <param name="findFonts">Searches for further ones, where there are glyphs that none of them has; null for no search.</param>
    public PictureText(IReadOnlyList<ScreenFont> fonts, Func<IReadOnlyList<ScreenFont>>? findFonts = null)
    {
        _ownFonts = _fonts = fonts;
        _findFonts = findFonts;
    }

    /// <summary>The text of a picture.</summary>
    /// <param name="picture">The same object each time, as its changes are what counts.</param>
    /// <param name="changed">Where it has changed since the last call.</param>
    /// <returns>Null where there is none.</returns>
    public ScreenText? Read(ScreenPicture picture, IReadOnlyCollection<ScreenRectangle> changed)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentNullException.ThrowIfNull(changed);
        _changed.Clear();
        _changed.AddRange(changed);
        bool isNew = !ReferenceEquals(picture, _picture) || _changed.Contains(picture.Bounds);
        _picture = picture;
        if (isNew)
        {
            (_pause, _untilSearch) = (FirstPause, 0);
        }

        if (isNew || _changed.Count > 0 || _wasSkipped)
        {
            ReadChanges(isNew);
        }

        if (_hasUnknown && _untilSearch-- <= 0)
        {
            SearchFonts();
        }

        return Describe();
    }

    private void ReadChanges(bool isNew)
    {
        if (_font is not null && !isNew)
        {
            foreach (ScreenRectangle rectangle in _changed)
            {
                ReadCells(rectangle);
            }

            if (CountLetters(_cells, _columns) > 0)
            {
                return;
            }
        }

        FindGrid();
        _hasUnknown |= _fonts.Count == 0 && _picture!.Pixels.ContainsAnyExcept(_picture.Pixels[0]); // as where a display has no program
    }

    private void SearchFonts()
    {
        _untilSearch = _pause;
        _pause = Math.Min(_pause * 2, LongestPause);
        ScreenFont[] found = [.. _findFonts?.Invoke() ?? []];
        if (found.Length == 0)
        {
            return;
        }

        _fonts = [.. found, .. _ownFonts.Where(own => !found.Any(own.IsSame))];
        _hasUnknown = false;
        _skips = 0;
        FindGrid();
    }

    private ScreenText? Describe() =>
        _font is null ? null : new ScreenText(_columns, _cells.Length / Math.Max(_columns, 1), [.. _cells], Cursor: null);

    /// <summary>The grid at the picture's corner is tried first with all fonts, then all others by the fonts in their order.</summary>
    private void FindGrid()
    {
        (int Letters, ScreenFont? Font) corner = (0, null);
        foreach (ScreenFont font in _fonts)
        {
            int letters = TryGrid(font, 0, 0);
            corner = letters > corner.Letters ? (letters, font) : corner;
        }

        if (corner.Font is not null)
        {
            TryGrid(corner.Font, 0, 0);
            return;
        }

        _wasSkipped = _skips-- > 0;
        if (_wasSkipped)
        {
            _font = null;
            return;
        }

        foreach (ScreenFont font in _fonts)
        {
            (int Letters, int Left, int Top) best = (0, 0, 0);
            for (int top = 0; top < font.Height; top++)
            {
                for (int left = 0; left < ScreenFont.Width; left++)
                {
                    int letters = TryGrid(font, left, top);
                    best = letters > best.Letters ? (letters, left, top) : best;
                }
            }

            if (best.Letters > 0)
            {
                TryGrid(font, best.Left, best.Top);
                _patience = _skips = 0;
                return;
            }
        }

        _font = null;
        _patience = Math.Min((_patience * 2) + 1, MostSkips);
        _skips = _patience;
    }

    /// <summary>Reads all cells of a grid.</summary>
    /// <returns>Letters in words.</returns>
    private int TryGrid(ScreenFont font, int left, int top)
    {
        ScreenPicture picture = _picture!;
        int columns = Math.Max(picture.Width - left, 0) / ScreenFont.Width;
        int rows = Math.Max(picture.Height - top, 0) / font.Height;
        (_font, _left, _top, _columns) = (font, left, top, columns);
        if (_cells.Length != columns * rows)
        {
            _cells = new ushort[columns * rows];
        }

        ReadCells(picture.Bounds);
        return CountLetters(_cells, columns);
    }

    private void ReadCells(ScreenRectangle area)
    {
        ScreenFont font = _font!;
        int rows = _columns == 0 ? 0 : _cells.Length / _columns;
        int firstRow = Math.Max((area.Y - _top) / font.Height, 0);
        int lastRow = Math.Min((area.Y + area.Height - 1 - _top) / font.Height, rows - 1);
        int firstColumn = Math.Max((area.X - _left) / ScreenFont.Width, 0);
        int lastColumn = Math.Min((area.X + area.Width - 1 - _left) / ScreenFont.Width, _columns - 1);
        for (int row = firstRow; row <= lastRow; row++)
        {
            for (int column = firstColumn; column <= lastColumn; column++)
            {
                _cells[(row * _columns) + column] =
                    ReadCell(font, _left + (column * ScreenFont.Width), _top + (row * font.Height));
            }
        }
    }

    /// <summary>A cell of two colours whose glyph is in the font; all others are blanks.</summary>
    private ushort ReadCell(ScreenFont font, int x, int y)
    {
        ScreenPicture picture = _picture!;
        uint first = picture.Row(y)[x];
        uint? second = null;
        Span<byte> glyph = stackalloc byte[ScreenFont.LargestHeight];
        glyph = glyph[..font.Height];
        for (int line = 0; line < glyph.Length; line++)
        {
            ReadOnlySpan<uint> pixels = picture.Row(y + line).Slice(x, ScreenFont.Width);
            if (!pixels.ContainsAnyExcept(first))
            {
                glyph[line] = 0;
                continue;
            }

            int bits = 0;
            foreach (uint pixel in pixels)
            {
                bool isOther = pixel != first;
                if (isOther && pixel != (second ??= pixel))
                {
                    return Cell(Blank, second.Value, first);
                }

                bits = (bits << 1) | (isOther ? 1 : 0);
            }

            glyph[line] = (byte)bits;
        }

        if (second is not { } other)
        {
            return Cell(Blank, 0xAAAAAA, first);
        }

        byte? found = font.Find(glyph);
        _hasUnknown |= found is null;
        byte code = found ?? Blank;
        return font.BeginsSet(code) ? Cell(code, first, other) : Cell(code, other, first);
    }

    private static ushort Cell(byte code, uint front, uint back) =>
        (ushort)(code | (NearestColor(front) << 8) | (NearestColor(back) << 12));

    /// <summary>The bits of a VGA's attribute: intensity, red, green, blue.</summary>
    private static int NearestColor(uint color)
    {
        int red = (int)(color >> 16) & 0xFF;
        int green = (int)(color >> 8) & 0xFF;
        int blue = (int)color & 0xFF;
        int most = Math.Max(red, Math.Max(green, blue));
        if (most < 0x40)
        {
            return 0;
        }

        if (Math.Min(red, Math.Min(green, blue)) >= 0x40 && most < 0x80)
        {
            return 8; // dark grey
        }

        bool isBright = most > 0xD4;
        int least = isBright && Math.Min(red, Math.Min(green, blue)) >= 0x40 && most - Math.Min(red, Math.Min(green, blue)) > 0x40
            ? 0x80
            : 0x50;
        return (isBright ? 8 : 0) | (red >= least ? 4 : 0) | (green >= least ? 2 : 0) | (blue >= least ? 1 : 0);
    }

    private static int CountLetters(ushort[] cells, int columns)
    {
        int letters = 0;
        int run = 0;
        for (int i = 0; i < cells.Length; i++)
        {
            run = i % columns == 0 ? 0 : run;
            run = char.IsAsciiLetterOrDigit((char)(cells[i] & 0xFF)) ? run + 1 : 0;
            letters += run == ShortestWord ? ShortestWord : run > ShortestWord ? 1 : 0;
        }

        return letters;
    }
}
