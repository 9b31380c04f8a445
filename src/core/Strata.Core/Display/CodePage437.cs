namespace Strata.Core.Display;

/// <summary>The characters of a PC's text screen: IBM code page 437, with the signs that its control codes show.</summary>
public static class CodePage437
{
    private const string Low = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
    private const string High =
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

    /// <summary>The character that a code shows; code 0 is a blank.</summary>
    public static char ToChar(byte code) => code switch
    {
        < 0x20 => Low[code],
        < 0x7F => (char)code,
        0x7F => '⌂',
        _ => High[code - 0x80],
    };

    /// <summary>The code that shows a character; null where none does.</summary>
    public static byte? FindCode(char character) => character switch
    {
        >= ' ' and < '\x7F' => (byte)character,
        '⌂' => 0x7F,
        _ when Low.IndexOf(character, StringComparison.Ordinal) is var low and > 0 => (byte)low,
        _ when High.IndexOf(character, StringComparison.Ordinal) is var high and >= 0 => (byte)(0x80 + high),
        _ => null,
    };
}
