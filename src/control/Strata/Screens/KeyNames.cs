using Strata.Core.Input;

namespace Strata.Screens;

/// <summary>Keys by names and by the characters that they write, on a keyboard of the United States.</summary>
internal static class KeyNames
{
    private const string Plain = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ";
    private const string Shifted = "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>? ";

    private static readonly KeyCode[] Places =
    [
        KeyCode.Backquote, KeyCode.Digit1, KeyCode.Digit2, KeyCode.Digit3, KeyCode.Digit4, KeyCode.Digit5, KeyCode.Digit6, KeyCode.Digit7,
        KeyCode.Digit8, KeyCode.Digit9, KeyCode.Digit0, KeyCode.Minus, KeyCode.Equal, KeyCode.Q, KeyCode.W, KeyCode.E, KeyCode.R, KeyCode.T,
        KeyCode.Y, KeyCode.U, KeyCode.I, KeyCode.O, KeyCode.P, KeyCode.BracketLeft, KeyCode.BracketRight, KeyCode.Backslash, KeyCode.A,
        KeyCode.S, KeyCode.D, KeyCode.F, KeyCode.G, KeyCode.H, KeyCode.J, KeyCode.K, KeyCode.L, KeyCode.Semicolon, KeyCode.Quote, KeyCode.Z,
        KeyCode.X, KeyCode.C, KeyCode.V, KeyCode.B, KeyCode.N, KeyCode.M, KeyCode.Comma, KeyCode.Period, KeyCode.Slash, KeyCode.Space,
    ];

    private static readonly Dictionary<string, KeyCode> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["ctrl"] = KeyCode.ControlLeft, ["control"] = KeyCode.ControlLeft, ["alt"] = KeyCode.AltLeft, ["shift"] = KeyCode.ShiftLeft,
        ["meta"] = KeyCode.MetaLeft, ["win"] = KeyCode.MetaLeft, ["super"] = KeyCode.MetaLeft, ["altgr"] = KeyCode.AltRight,
        ["esc"] = KeyCode.Escape, ["return"] = KeyCode.Enter, ["ret"] = KeyCode.Enter, ["del"] = KeyCode.Delete, ["ins"] = KeyCode.Insert,
        ["pgup"] = KeyCode.PageUp, ["pgdn"] = KeyCode.PageDown, ["bksp"] = KeyCode.Backspace, ["print"] = KeyCode.PrintScreen,
        ["sysrq"] = KeyCode.SystemRequest,
    };

    /// <summary>The key that writes a character, and whether it is shifted.</summary>
    /// <exception cref="StrataException">No key writes it.</exception>
    public static (KeyCode Key, bool IsShifted) OfCharacter(char character)
    {
        switch (character)
        {
            case '\n' or '\r':
                return (KeyCode.Enter, false);
            case '\t':
                return (KeyCode.Tab, false);
            case '\b':
                return (KeyCode.Backspace, false);
            case '\e':
                return (KeyCode.Escape, false);
        }

        int plain = Plain.IndexOf(character, StringComparison.Ordinal);
        int shifted = plain >= 0 ? -1 : Shifted.IndexOf(character, StringComparison.Ordinal);
        return plain >= 0 ? (Places[plain], false)
            : shifted >= 0 ? (Places[shifted], true)
            : throw new StrataException(
                StrataError.BadInput, $"No key of a keyboard of the United States writes '{character}' (U+{(int)character:X4}).");
    }

    /// <summary>Keys that are pressed together, such as "ctrl-alt-f2".</summary>
    /// <exception cref="StrataException">There is no such key.</exception>
    public static IReadOnlyList<KeyCode> ParseChord(string chord)
    {
        ArgumentNullException.ThrowIfNull(chord);
        List<KeyCode> keys = [];
        foreach (string name in chord == "-" ? ["-"] : chord.Split('-'))
        {
            keys.Add(Parse(name));
        }

        return keys;
    }

    private static KeyCode Parse(string name)
    {
        if (name.Length == 1)
        {
            return OfCharacter(char.ToLowerInvariant(name[0])).Key;
        }

        return Names.TryGetValue(name, out KeyCode known) ? known
            : Enum.TryParse(name, ignoreCase: true, out KeyCode key) && key != KeyCode.None && !char.IsDigit(name.FirstOrDefault()) ? key
            : throw new StrataException(
                StrataError.BadInput,
                $"There is no key \"{name}\"; write a character, or a name such as enter, esc, tab, up, f1 or delete, and " +
                $"ctrl-alt-delete for several.");
    }
}
