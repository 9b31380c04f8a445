namespace Strata;

/// <summary>A file that a Multiboot or PVH kernel is given beside itself.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Text">The string that comes with it: for most kernels the file's name and, behind a blank, arguments.</param>
public sealed record ModuleFile(string Path, string Text)
{
    /// <summary>How a module is written.</summary>
    public const string Syntax = "FILE or FILE ARGS";

    /// <summary>Reads "FILE" or "FILE ARGS". In the name, "\ " stands for a blank. The module's string is the text as it is.</summary>
    /// <exception cref="StrataException">There is no file's name.</exception>
    public static ModuleFile Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int end = 0;
        while (end < text.Length && (text[end] != ' ' || (end > 0 && text[end - 1] == '\\')))
        {
            end++;
        }

        string path = text[..end].Replace("\\ ", " ", StringComparison.Ordinal);
        return path.Length == 0
            ? throw new StrataException(
                StrataError.BadInput, $"\"{text}\" is no module; write FILE, or FILE ARGS with a blank between them.")
            : new ModuleFile(path, text);
    }
}
