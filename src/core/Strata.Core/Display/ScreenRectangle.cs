namespace Strata.Core.Display;

/// <summary>A part of a picture, in pixels from its upper left corner.</summary>
public readonly record struct ScreenRectangle(int X, int Y, int Width, int Height)
{
    /// <summary>The first column behind it.</summary>
    public int Right => X + Width;

    /// <summary>The first row below it.</summary>
    public int Bottom => Y + Height;

    /// <summary>Whether there is nothing of it.</summary>
    public bool IsEmpty => Width <= 0 || Height <= 0;

    /// <summary>What both have.</summary>
    public ScreenRectangle Intersect(ScreenRectangle other)
    {
        int x = Math.Max(X, other.X);
        int y = Math.Max(Y, other.Y);
        return new ScreenRectangle(x, y, Math.Max(0, Math.Min(Right, other.Right) - x), Math.Max(0, Math.Min(Bottom, other.Bottom) - y));
    }
}
