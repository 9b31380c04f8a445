using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Encodings;

/// <summary>
/// A way to send pixels. An instance is one client's and keeps what the encoding carries over from rectangle to rectangle.
/// </summary>
internal interface IRectangleEncoder
{
    /// <summary>Pixels of a rectangle at most, so that what waits for being sent stays small.</summary>
    const int MostPixels = 65536;

    /// <summary>Its number in <see cref="RfbEncoding"/>.</summary>
    int Number { get; }

    /// <summary>The widest rectangle it sends, in pixels.</summary>
    int MaxWidth => ScreenPicture.LargestSide;

    /// <summary>Rectangles are cut at multiples of so many rows.</summary>
    int RowsOfTile => 1;

    /// <summary>Writes the pixels of a rectangle, without its header.</summary>
    void Encode(ScreenPicture picture, ScreenRectangle rectangle, PixelTranslator pixels, RfbWriter writer);

    /// <summary>Cuts a rectangle into such as can be sent.</summary>
    void Cut(ScreenRectangle rectangle, List<ScreenRectangle> pieces)
    {
        for (int x = rectangle.X; x < rectangle.Right; x += MaxWidth)
        {
            int width = Math.Min(MaxWidth, rectangle.Right - x);
            int height = Math.Max(MostPixels / width / RowsOfTile, 1) * RowsOfTile;
            for (int y = rectangle.Y; y < rectangle.Bottom; y += height)
            {
                pieces.Add(new ScreenRectangle(x, y, width, Math.Min(height, rectangle.Bottom - y)));
            }
        }
    }
}
