namespace Strata.Display.Rfb;

/// <summary>What a client has said that it can and wants. Immutable.</summary>
internal sealed record ClientSettings
{
    /// <summary>How its pixels are.</summary>
    public PixelTranslator Pixels { get; init; } = new(PixelFormat.Native);

    /// <summary>The encoding of pixels that it likes best of those that there are.</summary>
    public int Encoding { get; init; } = RfbEncoding.Raw;

    /// <summary>It copies parts of its own picture.</summary>
    public bool CanCopy { get; init; }

    /// <summary>It follows changes of the screen's size.</summary>
    public bool CanResize { get; init; }

    /// <summary>It knows the size as a list of screens.</summary>
    public bool HasScreenList { get; init; }

    /// <summary>It draws the pointer itself.</summary>
    public bool HasCursor { get; init; }

    /// <summary>It sends key codes.</summary>
    public bool HasKeyCodes { get; init; }

    /// <summary>It can send movements of the pointer instead of places.</summary>
    public bool HasMovements { get; init; }

    /// <summary>The settings with one more encoding of a client's list, which has the best first.</summary>
    /// <param name="hasPixels">Whether the list has had an encoding of pixels.</param>
    public ClientSettings With(int encoding, ref bool hasPixels)
    {
        switch (encoding)
        {
            case RfbEncoding.Raw or RfbEncoding.Hextile or RfbEncoding.Zrle or RfbEncoding.Tight when !hasPixels:
                hasPixels = true;
                return this with { Encoding = encoding };
            case RfbEncoding.CopyRect:
                return this with { CanCopy = true };
            case RfbEncoding.DesktopSize:
                return this with { CanResize = true };
            case RfbEncoding.ExtendedDesktopSize:
                return this with { CanResize = true, HasScreenList = true };
            case RfbEncoding.Cursor:
                return this with { HasCursor = true };
            case RfbEncoding.ExtendedKeyEvent:
                return this with { HasKeyCodes = true };
            case RfbEncoding.PointerMotionChange:
                return this with { HasMovements = true };
            default:
                return this;
        }
    }
}
