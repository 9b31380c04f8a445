namespace Strata.Display.Rfb;

/// <summary>Numbers of encodings and pseudo-encodings (IANA's registry of RFB; RFC 6143, sections 7.7 and 7.8).</summary>
internal static class RfbEncoding
{
    public const int Raw = 0;
    public const int CopyRect = 1;
    public const int Hextile = 5;
    public const int Tight = 7;
    public const int Zrle = 16;
    public const int DesktopSize = -223;
    public const int Cursor = -239;

    /// <summary>The client can follow a pointer that only knows movements.</summary>
    public const int PointerMotionChange = -257;

    /// <summary>The client sends keys as key codes beside their meaning.</summary>
    public const int ExtendedKeyEvent = -258;

    public const int ExtendedDesktopSize = -308;
}
