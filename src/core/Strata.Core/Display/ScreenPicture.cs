namespace Strata.Core.Display;

/// <summary>Pixels of a screen, row by row: 0x00RRGGBB each. Not safe for several threads at a time.</summary>
public sealed class ScreenPicture
{
    /// <summary>The widest and the highest picture there is, in pixels: what an unsigned 16-bit protocol field and the memory of a host bear.</summary>
    public const int MaxSide = 8192;

    private uint[] _pixels = [];

    /// <summary>Columns in pixels; 0 before the first update.</summary>
    public int Width { get; private set; }

    /// <summary>Rows in pixels; 0 before the first update.</summary>
    public int Height { get; private set; }

    /// <summary>All of it.</summary>
    public ScreenRectangle Bounds => new(0, 0, Width, Height);

    /// <summary>The pixels, <see cref="Width"/> a row without gaps.</summary>
    public Span<uint> Pixels => _pixels.AsSpan(0, Width * Height);

    /// <summary>One row.</summary>
    public Span<uint> Row(int y) => _pixels.AsSpan(y * Width, Width);

    /// <summary>Gives it another size; the pixels are black then.</summary>
    /// <returns>Whether the size was another one.</returns>
    public bool Resize(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        ArgumentOutOfRangeException.ThrowIfNegative(height);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, MaxSide);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, MaxSide);
        if (width == Width && height == Height)
        {
            return false;
        }

        _pixels = new uint[width * height];
        (Width, Height) = (width, height);
        return true;
    }
}
