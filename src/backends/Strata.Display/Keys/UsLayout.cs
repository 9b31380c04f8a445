using System.Collections.Frozen;
using Strata.Core.Input;

namespace Strata.Display.Keys;

/// <summary>Which key of a US keyboard makes a character. The guest is expected to have that layout.</summary>
public static class UsLayout
{
    /// <summary>Keys that make characters, and what each makes without and with Shift.</summary>
    private static readonly (KeyCode Key, char Plain, char Shifted)[] Keys =
    [
        (KeyCode.Digit1, '1', '!'), (KeyCode.Digit2, '2', '@'), (KeyCode.Digit3, '3', '#'), (KeyCode.Digit4, '4', '$'),
        (KeyCode.Digit5, '5', '%'), (KeyCode.Digit6, '6', '^'), (KeyCode.Digit7, '7', '&'), (KeyCode.Digit8, '8', '*'),
        (KeyCode.Digit9, '9', '('), (KeyCode.Digit0, '0', ')'), (KeyCode.Minus, '-', '_'), (KeyCode.Equal, '=', '+'),
        (KeyCode.Q, 'q', 'Q'), (KeyCode.W, 'w', 'W'), (KeyCode.E, 'e', 'E'), (KeyCode.R, 'r', 'R'), (KeyCode.T, 't', 'T'),
        (KeyCode.Y, 'y', 'Y'), (KeyCode.U, 'u', 'U'), (KeyCode.I, 'i', 'I'), (KeyCode.O, 'o', 'O'), (KeyCode.P, 'p', 'P'),
        (KeyCode.BracketLeft, '[', '{'), (KeyCode.BracketRight, ']', '}'),
        (KeyCode.A, 'a', 'A'), (KeyCode.S, 's', 'S'), (KeyCode.D, 'd', 'D'), (KeyCode.F, 'f', 'F'), (KeyCode.G, 'g', 'G'),
        (KeyCode.H, 'h', 'H'), (KeyCode.J, 'j', 'J'), (KeyCode.K, 'k', 'K'), (KeyCode.L, 'l', 'L'),
        (KeyCode.Semicolon, ';', ':'), (KeyCode.Quote, '\'', '"'), (KeyCode.Backquote, '`', '~'), (KeyCode.Backslash, '\\', '|'),
        (KeyCode.Z, 'z', 'Z'), (KeyCode.X, 'x', 'X'), (KeyCode.C, 'c', 'C'), (KeyCode.V, 'v', 'V'), (KeyCode.B, 'b', 'B'),
        (KeyCode.N, 'n', 'N'), (KeyCode.M, 'm', 'M'), (KeyCode.Comma, ',', '<'), (KeyCode.Period, '.', '>'), (KeyCode.Slash, '/', '?'),
        (KeyCode.Space, ' ', ' '),
    ];

    private static readonly FrozenDictionary<char, KeyStroke> Strokes = MakeStrokes();

    /// <summary>The stroke that makes a character; line feed, tabulator, backspace and escape are keys of their own.</summary>
    /// <returns>False where no key does.</returns>
    public static bool TryGetStroke(char character, out KeyStroke stroke) => Strokes.TryGetValue(character, out stroke);

    private static FrozenDictionary<char, KeyStroke> MakeStrokes()
    {
        Dictionary<char, KeyStroke> strokes = new()
        {
            ['\n'] = new KeyStroke(KeyCode.Enter, Shift: false),
            ['\r'] = new KeyStroke(KeyCode.Enter, Shift: false),
            ['\t'] = new KeyStroke(KeyCode.Tab, Shift: false),
            ['\b'] = new KeyStroke(KeyCode.Backspace, Shift: false),
            ['\e'] = new KeyStroke(KeyCode.Escape, Shift: false),
        };
        foreach ((KeyCode key, char plain, char shifted) in Keys)
        {
            strokes[shifted] = new KeyStroke(key, Shift: true);
            strokes[plain] = new KeyStroke(key, Shift: false);
        }

        return strokes.ToFrozenDictionary();
    }
}
