using System.Collections.Frozen;
using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>Keys that make no character, by their X11 keysym (X Window System Protocol, appendix A).</summary>
internal static class KeySymbols
{
    public const uint ShiftLeft = 0xFFE1;
    public const uint ShiftRight = 0xFFE2;
    public const uint CapsLock = 0xFFE5;
    public const uint Level3Shift = 0xFE03;

    private static readonly FrozenDictionary<uint, KeyCode> Codes = Make();

    public static bool TryGetKey(uint symbol, out KeyCode key) => Codes.TryGetValue(symbol, out key);

    private static FrozenDictionary<uint, KeyCode> Make()
    {
        Dictionary<uint, KeyCode> codes = new()
        {
            [0xFF08] = KeyCode.Backspace, [0xFF09] = KeyCode.Tab, [0xFE20] = KeyCode.Tab /* ISO_Left_Tab: with Shift */,
            [0xFF0A] = KeyCode.Enter /* Linefeed */, [0xFF0D] = KeyCode.Enter, [0xFF13] = KeyCode.Pause, [0xFF14] = KeyCode.ScrollLock,
            [0xFF15] = KeyCode.PrintScreen /* Sys_Req */, [0xFF1B] = KeyCode.Escape, [0xFFFF] = KeyCode.Delete,
            [0xFF50] = KeyCode.Home, [0xFF51] = KeyCode.Left, [0xFF52] = KeyCode.Up, [0xFF53] = KeyCode.Right,
            [0xFF54] = KeyCode.Down, [0xFF55] = KeyCode.PageUp, [0xFF56] = KeyCode.PageDown, [0xFF57] = KeyCode.End,
            [0xFF61] = KeyCode.PrintScreen, [0xFF63] = KeyCode.Insert, [0xFF67] = KeyCode.Menu, [0xFF6B] = KeyCode.Pause /* Break */,
            [0xFF7F] = KeyCode.NumLock, [0xFF7E] = KeyCode.AltRight /* Mode_switch */, [Level3Shift] = KeyCode.AltRight,
            [0xFF8D] = KeyCode.KeypadEnter, [0xFF95] = KeyCode.Keypad7 /* KP_Home and on */, [0xFF96] = KeyCode.Keypad4,
            [0xFF97] = KeyCode.Keypad8, [0xFF98] = KeyCode.Keypad6, [0xFF99] = KeyCode.Keypad2, [0xFF9A] = KeyCode.Keypad9,
            [0xFF9B] = KeyCode.Keypad3, [0xFF9C] = KeyCode.Keypad1, [0xFF9D] = KeyCode.Keypad5, [0xFF9E] = KeyCode.Keypad0,
            [0xFF9F] = KeyCode.KeypadDecimal, [0xFFAA] = KeyCode.KeypadMultiply, [0xFFAB] = KeyCode.KeypadAdd,
            [0xFFAC] = KeyCode.KeypadDecimal /* KP_Separator */, [0xFFAD] = KeyCode.KeypadSubtract, [0xFFAE] = KeyCode.KeypadDecimal,
            [0xFFAF] = KeyCode.KeypadDivide, [0xFFB0] = KeyCode.Keypad0, [0xFFB1] = KeyCode.Keypad1, [0xFFB2] = KeyCode.Keypad2,
            [0xFFB3] = KeyCode.Keypad3, [0xFFB4] = KeyCode.Keypad4, [0xFFB5] = KeyCode.Keypad5, [0xFFB6] = KeyCode.Keypad6,
            [0xFFB7] = KeyCode.Keypad7, [0xFFB8] = KeyCode.Keypad8, [0xFFB9] = KeyCode.Keypad9,
            [0xFFC8] = KeyCode.F11, [0xFFC9] = KeyCode.F12,
            [ShiftLeft] = KeyCode.ShiftLeft, [ShiftRight] = KeyCode.ShiftRight, [0xFFE3] = KeyCode.ControlLeft,
            [0xFFE4] = KeyCode.ControlRight, [CapsLock] = KeyCode.CapsLock, [0xFFE7] = KeyCode.MetaLeft, [0xFFE8] = KeyCode.MetaRight,
            [0xFFE9] = KeyCode.AltLeft, [0xFFEA] = KeyCode.AltRight, [0xFFEB] = KeyCode.MetaLeft, [0xFFEC] = KeyCode.MetaRight,
        };
        for (uint i = 0; i < 10; i++)
        {
            codes[0xFFBE + i] = KeyCode.F1 + (byte)i;
        }

        // X gives function keys with Control and Alt a meaning of their own (XF86Switch_VT_1 and on).
        for (uint i = 1; i <= 12; i++)
        {
            codes[0x1008FE00 + i] = codes[0xFFBD + i];
        }

        return codes.ToFrozenDictionary();
    }
}
