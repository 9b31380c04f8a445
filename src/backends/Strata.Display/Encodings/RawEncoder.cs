using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Encodings;

/// <summary>All pixels as they are: RFC 6143, section 7.7.1.</summary>
internal sealed class RawEncoder : IRectangleEncoder
{
    public int Number => RfbEncoding.Raw;

    public void Encode(ScreenPicture picture, ScreenRectangle rectangle, PixelTranslator pixels, RfbWriter writer)
    {
        for (int y = rectangle.Y; y < rectangle.Bottom; y++)
        {
            pixels.Write(picture.Row(y).Slice(rectangle.X, rectangle.Width), writer);
        }
    }
}
