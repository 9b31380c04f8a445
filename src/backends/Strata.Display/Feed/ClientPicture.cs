using Strata.Core.Display;

namespace Strata.Display.Feed;

/// <summary>
/// The picture that a client has, as it was sent to it. What is sent next is the difference: an area that the guest painted with what was
/// there already is not sent at all, and rows that moved are copied. Not safe for several threads.
/// </summary>
internal sealed class ClientPicture
{
    private readonly DamageMap _different = new();
    private readonly ScrollFinder _scrolls = new();
    private readonly List<ScreenRectangle> _areas = [];

    /// <summary>What the client has when all that was found here has been sent.</summary>
    public ScreenPicture Picture { get; } = new();

    /// <summary>Whether something is to be sent.</summary>
    public bool IsDifferent => !_different.IsEmpty;

    /// <summary>For another size; the client has nothing then.</summary>
    public void Resize(int width, int height)
    {
        Picture.Resize(width, height);
        Picture.Pixels.Clear();
        _different.Resize(width, height);
        _different.AddAll();
    }

    /// <summary>The client has lost a part of it.</summary>
    public void Invalidate(ScreenRectangle rectangle) => _different.Add(rectangle);

    /// <summary>
    /// The screen has another size, which the client cannot follow: it keeps its own, and what is beyond the screen is black.
    /// </summary>
    public void Blank()
    {
        Picture.Pixels.Clear();
        _different.AddAll();
    }

    /// <summary>Takes over what has changed. The caller sees to it that nobody paints meanwhile.</summary>
    /// <param name="canCopy">Whether the client can copy parts of its own picture.</param>
    /// <param name="copied">Where moved rows are now; null for none.</param>
    /// <param name="copiedFrom">The row that they come from.</param>
    public void TakeOver(ScreenPicture screen, DamageMap damage, bool canCopy, out ScreenRectangle? copied, out int copiedFrom)
    {
        (copied, copiedFrom) = (null, 0);
        damage.Take(_areas);
        ScreenRectangle bounds = Picture.Bounds.Intersect(screen.Bounds);
        if (canCopy && _different.IsEmpty && screen.Bounds == Picture.Bounds
            && _scrolls.TryFind(Picture, screen, Enclose(_areas), out ScreenRectangle moved, out copiedFrom))
        {
            Move(moved, copiedFrom);
            copied = moved;
        }

        foreach (ScreenRectangle area in _areas)
        {
            TakeOver(screen, area.Intersect(bounds));
        }
    }

    /// <summary>Gives what is to be sent, as rectangles, and takes it for sent.</summary>
    public void Take(List<ScreenRectangle> rectangles) => _different.Take(rectangles);

    private static ScreenRectangle Enclose(List<ScreenRectangle> areas)
    {
        if (areas.Count == 0)
        {
            return default;
        }

        int x = areas.Min(area => area.X);
        int y = areas.Min(area => area.Y);
        return new ScreenRectangle(x, y, areas.Max(area => area.Right) - x, areas.Max(area => area.Bottom) - y);
    }

    private void Move(ScreenRectangle to, int fromY)
    {
        for (int i = 0; i < to.Height; i++)
        {
            int row = fromY > to.Y ? i : to.Height - 1 - i; // none is read behind its being written
            Picture.Row(fromY + row).Slice(to.X, to.Width).CopyTo(Picture.Row(to.Y + row)[to.X..]);
        }
    }

    private void TakeOver(ScreenPicture screen, ScreenRectangle area)
    {
        for (int y = area.Y; y < area.Bottom; y += DamageMap.Tile)
        {
            int height = Math.Min(DamageMap.Tile, area.Bottom - y);
            for (int x = area.X; x < area.Right; x += DamageMap.Tile)
            {
                ScreenRectangle tile = new(x, y, Math.Min(DamageMap.Tile, area.Right - x), height);
                if (TakeOverTile(screen, tile))
                {
                    _different.Add(tile);
                }
            }
        }
    }

    private bool TakeOverTile(ScreenPicture screen, ScreenRectangle tile)
    {
        bool different = false;
        for (int y = tile.Y; y < tile.Bottom; y++)
        {
            Span<uint> theirs = Picture.Row(y).Slice(tile.X, tile.Width);
            ReadOnlySpan<uint> ours = screen.Row(y).Slice(tile.X, tile.Width);
            if (!ours.SequenceEqual(theirs))
            {
                ours.CopyTo(theirs);
                different = true;
            }
        }

        return different;
    }
}
