using Strata.Core.Input;

namespace Strata.Devices.Input;

/// <summary>
/// What a keyboard sends for a key, in its three sets. IBM PS/2 Hardware Interface Technical Reference, "Keyboard", tables of scan code
/// sets 1 to 3; the controller's translation of set 2 into set 1 is the same table, read backwards.
/// </summary>
internal static class ScanCodes
{
    private const byte Extended = 0xE0;
    private const byte Break = 0xF0;
    private const byte ExtendedKey = 0x80;

    /// <summary>Set 2 by the code in set 1.</summary>
    private static ReadOnlySpan<byte> SetTwo =>
    [
        0xFF, 0x76, 0x16, 0x1E, 0x26, 0x25, 0x2E, 0x36, 0x3D, 0x3E, 0x46, 0x45, 0x4E, 0x55, 0x66, 0x0D,
        0x15, 0x1D, 0x24, 0x2D, 0x2C, 0x35, 0x3C, 0x43, 0x44, 0x4D, 0x54, 0x5B, 0x5A, 0x14, 0x1C, 0x1B,
        0x23, 0x2B, 0x34, 0x33, 0x3B, 0x42, 0x4B, 0x4C, 0x52, 0x0E, 0x12, 0x5D, 0x1A, 0x22, 0x21, 0x2A,
        0x32, 0x31, 0x3A, 0x41, 0x49, 0x4A, 0x59, 0x7C, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0C, 0x03,
        0x0B, 0x83, 0x0A, 0x01, 0x09, 0x77, 0x7E, 0x6C, 0x75, 0x7D, 0x7B, 0x6B, 0x73, 0x74, 0x79, 0x69,
        0x72, 0x7A, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07, 0x0F, 0x17, 0x1F, 0x27, 0x2F, 0x37, 0x3F,
        0x47, 0x4F, 0x56, 0x5E, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6F,
        0x13, 0x19, 0x39, 0x51, 0x53, 0x5C, 0x5F, 0x62, 0x63, 0x64, 0x65, 0x67, 0x68, 0x6A, 0x6D, 0x6E,
    ];

    private static readonly byte[] FromSetTwo = Invert();

    /// <summary>Set 3, where it differs from set 2 or the key is an extended one.</summary>
    private static readonly Dictionary<KeyCode, byte> SetThree = new()
    {
        [KeyCode.Escape] = 0x08, [KeyCode.F1] = 0x07, [KeyCode.F2] = 0x0F, [KeyCode.F3] = 0x17, [KeyCode.F4] = 0x1F, [KeyCode.F5] = 0x27,
        [KeyCode.F6] = 0x2F, [KeyCode.F7] = 0x37, [KeyCode.F8] = 0x3F, [KeyCode.F9] = 0x47, [KeyCode.F10] = 0x4F, [KeyCode.F11] = 0x56,
        [KeyCode.F12] = 0x5E, [KeyCode.ControlLeft] = 0x11, [KeyCode.AltLeft] = 0x19, [KeyCode.AltRight] = 0x39,
        [KeyCode.ControlRight] = 0x58,
        [KeyCode.CapsLock] = 0x14, [KeyCode.Backslash] = 0x5C, [KeyCode.IntlBackslash] = 0x13, [KeyCode.NumLock] = 0x76,
        [KeyCode.ScrollLock] = 0x5F, [KeyCode.PrintScreen] = 0x57, [KeyCode.Pause] = 0x62, [KeyCode.Insert] = 0x67, [KeyCode.Delete] = 0x64,
        [KeyCode.Left] = 0x61, [KeyCode.Home] = 0x6E, [KeyCode.End] = 0x65, [KeyCode.Up] = 0x63, [KeyCode.Down] = 0x60,
        [KeyCode.PageUp] = 0x6F, [KeyCode.PageDown] = 0x6D, [KeyCode.Right] = 0x6A, [KeyCode.KeypadDivide] = 0x77,
        [KeyCode.KeypadMultiply] = 0x7E, [KeyCode.KeypadSubtract] = 0x84, [KeyCode.KeypadAdd] = 0x7C, [KeyCode.KeypadEnter] = 0x79,
        [KeyCode.MetaLeft] = 0x8B, [KeyCode.MetaRight] = 0x8C, [KeyCode.Menu] = 0x8D,
    };

    /// <summary>What the keyboard sends.</summary>
    /// <param name="set">1, 2 or 3.</param>
    public static byte[] Of(KeyCode key, bool pressed, int set)
    {
        byte place = (byte)((byte)key & ~ExtendedKey);
        bool isExtended = ((byte)key & ExtendedKey) != 0;
        if (set == 3)
        {
            byte three = OfSetThree(key);
            return pressed ? [three] : [Break, three];
        }

        if (key == KeyCode.Pause)
        {
            // Sent as a whole when it is pressed, and nothing when it is released.
            return !pressed ? [] : set == 1 ? [0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5] : [0xE1, 0x14, 0x77, 0xE1, Break, 0x14, Break, 0x77];
        }

        if (set == 1)
        {
            byte code = (byte)(pressed ? place : place | 0x80);
            return isExtended ? [Extended, code] : [code];
        }

        byte two = SetTwo[place];
        return (isExtended, pressed) switch
        {
            (false, true) => [two],
            (false, false) => [Break, two],
            (true, true) => [Extended, two],
            (true, false) => [Extended, Break, two],
        };
    }

    /// <summary>The code of a key in set 3, where each has one of its own.</summary>
    public static byte OfSetThree(KeyCode key) => SetThree.GetValueOrDefault(key, SetTwo[(byte)key & ~ExtendedKey]);

    /// <summary>What the controller makes of a byte of set 2; F0h is taken apart from it.</summary>
    public static byte Translate(byte two) => two < FromSetTwo.Length && FromSetTwo[two] != 0 ? FromSetTwo[two] : two;

    private static byte[] Invert()
    {
        byte[] table = new byte[0x85];
        for (int i = 1; i < SetTwo.Length; i++)
        {
            table[SetTwo[i]] = (byte)i;
        }

        return table;
    }
}
