namespace Strata.Display.Rfb;

/// <summary>The first bytes of messages from a client (RFC 6143, section 7.5, and extensions).</summary>
internal static class ClientMessage
{
    public const int SetPixelFormat = 0;
    public const int SetEncodings = 2;
    public const int FramebufferUpdateRequest = 3;
    public const int KeyEvent = 4;
    public const int PointerEvent = 5;
    public const int ClientCutText = 6;
    public const int SetDesktopSize = 251;
    public const int Qemu = 255;

    /// <summary>The second byte of <see cref="Qemu"/>: a key with its code.</summary>
    public const int QemuExtendedKeyEvent = 0;
}
