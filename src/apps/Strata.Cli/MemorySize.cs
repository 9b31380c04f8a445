using System.Globalization;

namespace Strata.Cli;

/// <summary>Sizes of memory as options have them: 512M, 2G.</summary>
internal static class MemorySize
{
    /// <returns>Bytes.</returns>
    public static ulong Parse(string text)
    {
        ulong unit = text.Length == 0 ? 1 : char.ToUpperInvariant(text[^1]) switch { 'K' => 1UL << 10, 'M' => 1UL << 20, 'G' => 1UL << 30, _ => 1 };
        string digits = unit == 1 ? text : text[..^1];
        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value < (1UL << 40) / unit
            ? value * unit
            : throw new StrataException(StrataError.BadInput, $"\"{text}\" is no memory size; write 512M or 2G.");
    }
}
