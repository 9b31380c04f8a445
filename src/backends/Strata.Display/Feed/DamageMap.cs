using System.Numerics;
using Strata.Core.Display;

namespace Strata.Display.Feed;

/// <summary>
/// Which parts of a picture are to be looked at again: a bit for each tile, so it never grows. Not safe for several threads.
/// </summary>
internal sealed class DamageMap
{
    /// <summary>Columns and rows of a tile: the height of a character of the usual text modes.</summary>
    public const int Tile = 16;

    private ulong[] _bits = [];
    private int _width;
    private int _height;
    private int _columns;
    private int _rows;
    private int _words; // a row

    /// <summary>Whether nothing is marked.</summary>
    public bool IsEmpty { get; private set; } = true;

    /// <summary>For a picture of another size: nothing is marked then.</summary>
    public void Resize(int width, int height)
    {
        (_width, _height) = (width, height);
        _columns = (width + Tile - 1) / Tile;
        _rows = (height + Tile - 1) / Tile;
        _words = (_columns + 63) / 64;
        _bits = new ulong[_words * _rows];
        IsEmpty = true;
    }

    /// <summary>Marks everything.</summary>
    public void AddAll() => Add(new ScreenRectangle(0, 0, _width, _height));

    /// <summary>Marks the tiles that a rectangle touches; what is outside of the picture is left out.</summary>
    public void Add(ScreenRectangle rectangle)
    {
        ScreenRectangle inside = rectangle.Intersect(new ScreenRectangle(0, 0, _width, _height));
        if (inside.IsEmpty)
        {
            return;
        }

        IsEmpty = false;
        int left = inside.X / Tile;
        int right = (inside.Right - 1) / Tile;
        for (int row = inside.Y / Tile; row <= (inside.Bottom - 1) / Tile; row++)
        {
            for (int word = left / 64; word <= right / 64; word++)
            {
                int first = Math.Max(left - (word * 64), 0);
                int last = Math.Min(right - (word * 64), 63);
                _bits[(row * _words) + word] |= (ulong.MaxValue >> (63 - (last - first))) << first;
            }
        }
    }

    /// <summary>Gives what is marked as rectangles of whole tiles, cut at the picture's edges, and forgets it.</summary>
    public void Take(List<ScreenRectangle> rectangles)
    {
        rectangles.Clear();
        if (IsEmpty)
        {
            return;
        }

        int open = 0; // rectangles from here on end at the row above
        for (int row = 0; row < _rows; row++)
        {
            int before = rectangles.Count;
            for (int column = 0; column < _columns;)
            {
                int from = FindNext(row, column, set: true);
                if (from == _columns)
                {
                    break;
                }

                int to = FindNext(row, from, set: false);
                AddRun(rectangles, open, before, row, from, to);
                column = to;
            }

            open = FindOpen(rectangles, open, row);
        }

        Array.Clear(_bits);
        IsEmpty = true;
    }

    /// <summary>A run of tiles makes the rectangle above it longer where that is as wide, and else begins one.</summary>
    private void AddRun(List<ScreenRectangle> rectangles, int open, int end, int row, int from, int to)
    {
        int y = row * Tile;
        ScreenRectangle run = new(from * Tile, y, Math.Min(to * Tile, _width) - (from * Tile), Math.Min(Tile, _height - y));
        for (int i = open; i < end; i++)
        {
            ScreenRectangle above = rectangles[i];
            if (above.Bottom == y && above.X == run.X && above.Width == run.Width)
            {
                rectangles[i] = above with { Height = above.Height + run.Height };
                return;
            }
        }

        rectangles.Add(run);
    }

    private int FindOpen(List<ScreenRectangle> rectangles, int from, int row)
    {
        int bottom = Math.Min((row + 1) * Tile, _height);
        while (from < rectangles.Count && rectangles[from].Bottom != bottom)
        {
            from++;
        }

        return from;
    }

    private int FindNext(int row, int column, bool set)
    {
        while (column < _columns)
        {
            ulong word = _bits[(row * _words) + (column / 64)];
            ulong rest = (set ? word : ~word) >> (column % 64);
            if (rest != 0)
            {
                return Math.Min(column + BitOperations.TrailingZeroCount(rest), _columns);
            }

            column = (column / 64 * 64) + 64;
        }

        return _columns;
    }
}
