using System.Text;
using Strata.Core.Input;
using Strata.Display.Keys;

namespace Strata.Display.Text;

/// <summary>
/// Turns what a terminal sends into keys: characters, control characters, Alt by an escape in front, and the sequences of xterm's cursor,
/// editing and function keys. A sequence comes in one piece; an escape at a piece's end is the key.
/// </summary>
public static class TerminalKeys
{
    private const byte Escape = 0x1B;
    private const int LongestSequence = 4;

    private static readonly Dictionary<string, KeyCode> Sequences = new()
    {
        ["[A"] = KeyCode.Up, ["[B"] = KeyCode.Down, ["[C"] = KeyCode.Right, ["[D"] = KeyCode.Left, ["[H"] = KeyCode.Home,
        ["[F"] = KeyCode.End,
        ["OA"] = KeyCode.Up, ["OB"] = KeyCode.Down, ["OC"] = KeyCode.Right, ["OD"] = KeyCode.Left, ["OH"] = KeyCode.Home,
        ["OF"] = KeyCode.End,
        ["OP"] = KeyCode.F1, ["OQ"] = KeyCode.F2, ["OR"] = KeyCode.F3, ["OS"] = KeyCode.F4,
        ["[1~"] = KeyCode.Home, ["[2~"] = KeyCode.Insert, ["[3~"] = KeyCode.Delete, ["[4~"] = KeyCode.End, ["[5~"] = KeyCode.PageUp,
        ["[6~"] = KeyCode.PageDown, ["[11~"] = KeyCode.F1, ["[12~"] = KeyCode.F2, ["[13~"] = KeyCode.F3, ["[14~"] = KeyCode.F4,
        ["[15~"] = KeyCode.F5, ["[17~"] = KeyCode.F6, ["[18~"] = KeyCode.F7, ["[19~"] = KeyCode.F8, ["[20~"] = KeyCode.F9,
        ["[21~"] = KeyCode.F10, ["[23~"] = KeyCode.F11, ["[24~"] = KeyCode.F12,
        ["[[A"] = KeyCode.F1, ["[[B"] = KeyCode.F2, ["[[C"] = KeyCode.F3, ["[[D"] = KeyCode.F4, ["[[E"] = KeyCode.F5, // Linux's console
    };

    /// <summary>The strokes for the bytes of one read, each with its modifiers; bytes that stand for no key are left out.</summary>
    public static IReadOnlyList<IReadOnlyList<KeyChange>> Read(ReadOnlySpan<byte> bytes)
    {
        List<IReadOnlyList<KeyChange>> strokes = [];
        while (!bytes.IsEmpty)
        {
            bool hasAlt = false;
            if (bytes[0] == Escape && bytes.Length > 1)
            {
                if (TryReadSequence(bytes[1..], out KeyCode key, out int length))
                {
                    strokes.Add(Press(key));
                    bytes = bytes[(1 + length)..];
                    continue;
                }

                hasAlt = bytes[1] != Escape;
                bytes = hasAlt ? bytes[1..] : bytes;
            }

            if (Read(bytes[0]) is { } stroke)
            {
                strokes.Add(hasAlt ? Press([KeyCode.AltLeft, .. stroke]) : Press(stroke));
            }

            bytes = bytes[1..];
        }

        return strokes;
    }

    private static bool TryReadSequence(ReadOnlySpan<byte> bytes, out KeyCode key, out int length)
    {
        for (length = Math.Min(bytes.Length, LongestSequence); length > 1; length--)
        {
            if (Sequences.TryGetValue(Encoding.Latin1.GetString(bytes[..length]), out key))
            {
                return true;
            }
        }

        key = KeyCode.None;
        return false;
    }

    /// <summary>The keys that make a byte, held together.</summary>
    private static KeyCode[]? Read(byte value) => value switch
    {
        (byte)'\r' or (byte)'\n' => [KeyCode.Enter],
        (byte)'\t' => [KeyCode.Tab],
        0x7F or (byte)'\b' => [KeyCode.Backspace],
        Escape => [KeyCode.Escape],
        0 => [KeyCode.ControlLeft, KeyCode.Space],
        < Escape => [KeyCode.ControlLeft, KeyOf((char)(value + 'a' - 1))],
        0x1C => [KeyCode.ControlLeft, KeyCode.Backslash],
        0x1D => [KeyCode.ControlLeft, KeyCode.BracketRight],
        0x1E => [KeyCode.ControlLeft, KeyCode.Digit6],
        0x1F => [KeyCode.ControlLeft, KeyCode.Minus],
        _ when UsLayout.TryGetStroke((char)value, out KeyStroke stroke) => stroke.Shift ? [KeyCode.ShiftLeft, stroke.Key] : [stroke.Key],
        _ => null,
    };

    private static KeyCode KeyOf(char character) => UsLayout.TryGetStroke(character, out KeyStroke stroke) ? stroke.Key : KeyCode.None;

    private static KeyChange[] Press(params KeyCode[] keys) =>
        [.. keys.Select(key => new KeyChange(key, Pressed: true)), .. keys.Reverse().Select(key => new KeyChange(key, Pressed: false))];
}
