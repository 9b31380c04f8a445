using Strata.Core.Display;

namespace Strata.Display.Feed;

/// <summary>Finds rows of a picture that were there before, further up or down: a screen that scrolled. Reused from time to time.</summary>
internal sealed class ScrollFinder
{
    /// <summary>Fewer rows are sent as pixels.</summary>
    private const int LeastRows = 32;

    private const int LeastColumns = 64;
    private const int LeastVotes = 8;

    private readonly Dictionary<ulong, int> _places = [];
    private readonly Dictionary<int, int> _votes = [];
    private ulong[] _before = [];
    private ulong[] _after = [];

    /// <summary>Looks for the longest stretch of rows within an area that has moved.</summary>
    /// <param name="moved">Where the rows are now.</param>
    /// <param name="fromY">The row where they began before.</param>
    public bool TryFind(ScreenPicture before, ScreenPicture after, ScreenRectangle area, out ScreenRectangle moved, out int fromY)
    {
        (moved, fromY) = (default, 0);
        if (area.Height < LeastRows || area.Width < LeastColumns)
        {
            return false;
        }

        HashRows(before, area, ref _before);
        HashRows(after, area, ref _after);
        int shift = FindShift(area.Height);
        if (shift == 0 || !TryFindStretch(before, after, area, shift, out int row, out int count))
        {
            return false;
        }

        moved = new ScreenRectangle(area.X, area.Y + row, area.Width, count);
        fromY = moved.Y + shift;
        return true;
    }

    private static void HashRows(ScreenPicture picture, ScreenRectangle area, ref ulong[] hashes)
    {
        if (hashes.Length < area.Height)
        {
            hashes = new ulong[area.Height];
        }

        for (int y = 0; y < area.Height; y++)
        {
            ulong hash = 14695981039346656037;
            foreach (uint pixel in picture.Row(area.Y + y).Slice(area.X, area.Width))
            {
                hash = (hash ^ pixel) * 1099511628211;
            }

            hashes[y] = hash;
        }
    }

    /// <summary>Rows that are like no other say how far they have moved.</summary>
    private int FindShift(int rows)
    {
        _places.Clear();
        _votes.Clear();
        for (int y = 0; y < rows; y++)
        {
            _places[_before[y]] = _places.ContainsKey(_before[y]) ? -1 : y;
        }

        (int best, int most) = (0, LeastVotes - 1);
        for (int y = 0; y < rows; y++)
        {
            if (_before[y] == _after[y] || !_places.TryGetValue(_after[y], out int place) || place < 0)
            {
                continue;
            }

            int votes = _votes.GetValueOrDefault(place - y) + 1;
            _votes[place - y] = votes;
            if (votes > most)
            {
                (best, most) = (place - y, votes);
            }
        }

        return best;
    }

    /// <summary>The longest stretch whose rows are the same ones, pixel by pixel.</summary>
    private bool TryFindStretch(ScreenPicture before, ScreenPicture after, ScreenRectangle area, int shift, out int row, out int count)
    {
        (row, count) = (0, 0);
        int last = Math.Min(area.Height, area.Height - shift);
        int from = Math.Max(0, -shift);
        int changed = 0;
        for (int y = from; y < last; y++)
        {
            if (!IsSame(before, after, area, y, shift))
            {
                (from, changed) = (y + 1, 0);
                continue;
            }

            changed += _before[y] == _after[y] ? 0 : 1;
            if (y + 1 - from > count && changed >= LeastVotes)
            {
                (row, count) = (from, y + 1 - from);
            }
        }

        return count >= LeastRows;
    }

    private bool IsSame(ScreenPicture before, ScreenPicture after, ScreenRectangle area, int y, int shift) =>
        _after[y] == _before[y + shift] && after.Row(area.Y + y).Slice(area.X, area.Width)
            .SequenceEqual(before.Row(area.Y + y + shift).Slice(area.X, area.Width));
}
