using System.Globalization;
using System.Text;
using Strata.Core.Posix;

namespace Strata.Control;

/// <summary>Names of running machines: they are parts of file names and words of command lines.</summary>
public static class MachineName
{
    /// <summary>Characters.</summary>
    public const int Longest = 40;

    /// <summary>Whether a text can name a machine: letters, digits, dots, dashes and underscores, a letter or digit first.</summary>
    public static bool IsValid(string? text) =>
        text is { Length: > 0 and <= Longest }
            && char.IsAsciiLetterOrDigit(text[0])
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    /// <exception cref="StrataException">The text cannot name a machine.</exception>
    internal static string Check(string text) => IsValid(text)
        ? text
        : throw new StrataException(
            StrataError.BadInput,
            $"\"{Printable.Text(text)}\" cannot name a machine: use 1 to {Longest} letters, digits, dots, dashes or underscores, a " +
            $"letter or digit first.");

    /// <summary>Names to try for a machine that was given none: of what it runs, then numbered.</summary>
    internal static IEnumerable<string> Suggest(string image)
    {
        string basis = new([.. image.Take(Longest - 4).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-')]);
        basis = basis.Length > 0 && char.IsAsciiLetterOrDigit(basis[0]) ? basis : "machine";
        return Enumerable.Range(1, 999).Select(number => number == 1 ? basis : $"{basis}-{number}");
    }
}

/// <summary>
/// Text from guests and other processes, for terminals: nothing in it may act as a control sequence. Bytes that are no text, as
/// <see cref="ByteText"/> keeps them, are shown as \xE9.
/// </summary>
public static class Printable
{
    public static string Text(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        StringBuilder printable = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i))
            {
                printable.Append(text, i++, 2);
            }
            else if (ByteText.IsByte(text[i]))
            {
                printable.Append(CultureInfo.InvariantCulture, $"\\x{text[i] & 0xFF:x2}");
            }
            else
            {
                printable.Append(char.IsControl(text[i]) || char.IsSurrogate(text[i]) ? '?' : text[i]);
            }
        }

        return printable.ToString();
    }
}
