using System.Globalization;
using Strata.Control;

namespace Strata;

/// <summary>Sizes as people write them: 512, 64K, 10G. Units are powers of 1024.</summary>
public static class ByteSize
{
    private const string Units = "KMGT";

    /// <returns>False if the text is no size or does not fit into 63 bits.</returns>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        int unit = Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal) + 1;
        string digits = unit == 0 ? text : text[..^1];
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long value) || value > long.MaxValue >> (10 * unit))
        {
            return false;
        }

        bytes = value << (10 * unit);
        return true;
    }

    /// <summary>Bytes of memory as options have them: 512M, 2G.</summary>
    /// <exception cref="StrataException">The text is no size.</exception>
    public static ulong ParseMemory(string text) => TryParse(text, out long bytes)
        ? (ulong)bytes
        : throw new StrataException(StrataError.BadInput, $"\"{Printable.Text(text)}\" is no memory size; write 512M or 2G.");

    /// <summary>The size as <see cref="TryParse"/> reads it, in the largest unit of which it is a whole number.</summary>
    /// <param name="bytes">Not negative.</param>
    public static string Print(long bytes)
    {
        int unit = 0;
        while (bytes > 0 && bytes % 1024 == 0 && unit < Units.Length)
        {
            bytes /= 1024;
            unit++;
        }

        return bytes.ToString(CultureInfo.InvariantCulture) + (unit == 0 ? string.Empty : Units[unit - 1].ToString());
    }

    /// <summary>The size in the largest unit that leaves at least 1, such as "1.5 GiB".</summary>
    public static string Format(long bytes)
    {
        int unit = 0;
        double value = bytes;
        while (value >= 1024 && unit < Units.Length)
        {
            value /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes} bytes" : string.Create(CultureInfo.InvariantCulture, $"{value:0.##} {Units[unit - 1]}iB");
    }
}
