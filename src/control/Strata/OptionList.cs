namespace Strata;

/// <summary>
/// A value with options behind it, as the command's options are written: VALUE,NAME,NAME=VALUE. A comma of a value is written twice.
/// </summary>
public static class OptionList
{
    /// <summary>For messages about a text that was cut at a comma that belongs to it.</summary>
    internal const string Escape = "a comma that belongs to a name is written twice (,,)";

    /// <summary>The parts between single commas; two commas are one of the part. From the left: of three, the third separates.</summary>
    public static string[] Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<string> parts = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != ',')
            {
                continue;
            }

            if (i + 1 < text.Length && text[i + 1] == ',')
            {
                i++;
                continue;
            }

            parts.Add(Unescape(text[start..i]));
            start = i + 1;
        }

        parts.Add(Unescape(text[start..]));
        return [.. parts];
    }

    private static string Unescape(string part) => part.Replace(",,", ",", StringComparison.Ordinal);
}
