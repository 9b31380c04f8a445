namespace Strata.Devices.Display;

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
}
