using Strata.Core.Display;

namespace Strata.Display.Tests.Harness;

/// <summary>A screen that a test paints.</summary>
internal sealed class FakeScreen : IScreen
{
    private readonly Lock _gate = new();
    private readonly ScreenPicture _picture = new();
    private readonly List<ScreenRectangle> _painted = [];
    private bool _isQuiet; // a change was told, and nobody has looked since

    public FakeScreen(int width, int height)
    {
        _picture.Resize(width, height);
        _painted.Add(_picture.Bounds);
    }

    public event Action? Changed;

    public bool ChangesUnnoticed { get; set; }

    /// <summary>It tells of no changes.</summary>
    public bool IsMute { get; set; }

    public int Updates { get; private set; }

    public ScreenText? Text { get; set; }

    public void Resize(int width, int height) => Change(picture =>
    {
        picture.Resize(width, height);
        return picture.Bounds;
    });

    public void Fill(ScreenRectangle rectangle, uint colour) => Change(picture =>
    {
        for (int y = rectangle.Y; y < rectangle.Bottom; y++)
        {
            picture.Row(y).Slice(rectangle.X, rectangle.Width).Fill(colour);
        }

        return rectangle;
    });

    /// <summary>Gives every pixel the colour that its place has in a pattern.</summary>
    public void Paint(Func<int, int, uint> colour) => Change(picture =>
    {
        for (int y = 0; y < picture.Height; y++)
        {
            for (int x = 0; x < picture.Width; x++)
            {
                picture.Row(y)[x] = colour(x, y);
            }
        }

        return picture.Bounds;
    });

    /// <summary>Moves everything up; what comes in below is black.</summary>
    public void Scroll(int rows) => Change(picture =>
    {
        picture.Pixels[(rows * picture.Width)..].CopyTo(picture.Pixels);
        picture.Pixels[^(rows * picture.Width)..].Clear();
        return picture.Bounds;
    });

    public uint[] Pixels
    {
        get
        {
            lock (_gate)
            {
                return _picture.Pixels.ToArray();
            }
        }
    }

    public void Update(ScreenPicture picture, ICollection<ScreenRectangle> changed)
    {
        lock (_gate)
        {
            Updates++;
            _isQuiet = false;
            if (picture.Resize(_picture.Width, _picture.Height))
            {
                _painted.Clear();
                _painted.Add(picture.Bounds);
            }

            _picture.Pixels.CopyTo(picture.Pixels);
            foreach (ScreenRectangle rectangle in _painted)
            {
                changed.Add(rectangle);
            }

            _painted.Clear();
        }
    }

    public ScreenText? ReadText() => Text;

    private void Change(Func<ScreenPicture, ScreenRectangle> paint)
    {
        bool isFirst;
        lock (_gate)
        {
            _painted.Add(paint(_picture));
            isFirst = !_isQuiet;
            _isQuiet = true;
        }

        if (isFirst && !IsMute)
        {
            Changed?.Invoke();
        }
    }
}
