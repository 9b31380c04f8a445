namespace Strata.Devices.Display;

/// <summary>Pixels of a screen. Not safe on several threads.</summary>
public sealed class ScreenPicture
{
    /// <summary>Pixels of the largest side.</summary>
    public const int LargestSide = 4096;

    /// <summary>Changes are found by bands of so many lines, and by columns of so many pixels.</summary>
    private const int TileSide = 32;

    private uint[] _pixels = [];
    private uint[] _before = [];

    public int Width { get; private set; }

    public int Height { get; private set; }

    /// <summary>Line by line from the top, each pixel 0x00RRGGBB.</summary>
    public ReadOnlySpan<uint> Pixels => _pixels.AsSpan(0, Width * Height);

    /// <summary>Paints the picture anew.</summary>
    /// <param name="width">1 to <see cref="LargestSide"/>, as <paramref name="height"/>.</param>
    /// <param name="paint">Fills all pixels.</param>
    /// <param name="changed">Receives the tiles that are not what they were.</param>
    public void Paint(int width, int height, Action<Span<uint>> paint, ICollection<ScreenRectangle> changed)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, LargestSide);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, LargestSide);
        ArgumentNullException.ThrowIfNull(paint);
        ArgumentNullException.ThrowIfNull(changed);
        bool isNew = width != Width || height != Height;
        (Width, Height) = (width, height);
        if (_pixels.Length < width * height)
        {
            (_pixels, _before) = (new uint[width * height], new uint[width * height]);
        }

        (_pixels, _before) = (_before, _pixels);
        paint(_pixels.AsSpan(0, width * height));
        if (isNew)
        {
            changed.Add(new ScreenRectangle(0, 0, width, height));
            return;
        }

        FindChanges(changed);
    }

    private void FindChanges(ICollection<ScreenRectangle> changed)
    {
        for (int y = 0; y < Height; y += TileSide)
        {
            int height = Math.Min(TileSide, Height - y);
            for (int x = 0; x < Width; x += TileSide)
            {
                int width = Math.Min(TileSide, Width - x);
                if (HasChanged(x, y, width, height))
                {
                    changed.Add(new ScreenRectangle(x, y, width, height));
                }
            }
        }
    }

    private bool HasChanged(int x, int y, int width, int height)
    {
        for (int line = y; line < y + height; line++)
        {
            int at = (line * Width) + x;
            if (!_pixels.AsSpan(at, width).SequenceEqual(_before.AsSpan(at, width)))
            {
                return true;
            }
        }

        return false;
    }
}
