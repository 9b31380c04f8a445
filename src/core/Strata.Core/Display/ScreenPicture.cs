namespace Strata.Core.Display;

/// <summary>Pixels of a screen: 0x00RRGGBB each. Not safe on several threads.</summary>
public sealed class ScreenPicture
{
    /// <summary>Pixels of the largest side.</summary>
    public const int LargestSide = 4096;

    /// <summary>Changes are found by bands of so many lines, and by columns of so many pixels.</summary>
    private const int TileSide = 32;

    private uint[] _pixels = [];
    private uint[] _before = []; // of the last Paint

    private object? _source; // what it shows, in which version
    private long _version;

    /// <summary>Columns; 0 before it is painted.</summary>
    public int Width { get; private set; }

    /// <summary>Lines; 0 before it is painted.</summary>
    public int Height { get; private set; }

    /// <summary>All of it.</summary>
    public ScreenRectangle Bounds => new(0, 0, Width, Height);

    /// <summary>Line by line from the top, without gaps.</summary>
    public Span<uint> Pixels => _pixels.AsSpan(0, Width * Height);

    /// <summary>One line.</summary>
    public Span<uint> Row(int y) => _pixels.AsSpan(y * Width, Width);

    /// <summary>Gives it another size; its pixels are black then.</summary>
    /// <param name="width">0 to <see cref="LargestSide"/>, as <paramref name="height"/>.</param>
    /// <returns>Whether the size was another one.</returns>
    public bool Resize(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        ArgumentOutOfRangeException.ThrowIfNegative(height);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, LargestSide);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, LargestSide);
        if (width == Width && height == Height)
        {
            return false;
        }

        (Width, Height) = (width, height);
        _source = null;
        _pixels = new uint[width * height];
        return true;
    }

    /// <summary>Whether it shows a version of a source already: then painting it anew would change nothing.</summary>
    public bool Shows(object source, long version) => _source == source && _version == version;

    /// <summary>Notes which version of a source it shows now.</summary>
    public void NoteShown(object source, long version) => (_source, _version) = (source, version);

    /// <summary>Paints the picture anew.</summary>
    /// <param name="width">1 to <see cref="LargestSide"/>, as <paramref name="height"/>.</param>
    /// <param name="paint">Fills all pixels; what is in them before is nothing to rely on.</param>
    /// <param name="changed">Receives the tiles that are not what they were; all of it if the size is another one.</param>
    public void Paint(int width, int height, Action<Span<uint>> paint, ICollection<ScreenRectangle> changed)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentNullException.ThrowIfNull(paint);
        ArgumentNullException.ThrowIfNull(changed);
        bool isNew = Resize(width, height);
        if (_before.Length != _pixels.Length)
        {
            _before = new uint[_pixels.Length];
        }

        (_pixels, _before) = (_before, _pixels);
        paint(Pixels);
        if (isNew)
        {
            changed.Add(Bounds);
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
