using Strata.Core.Sharing;
using Strata.Shares;

namespace Strata;

/// <summary>
/// A folder of the host that the guest can mount: `mount -t virtiofs TAG /mnt`; debian-tiny mounts it at /mnt/TAG. The guest reads
/// and writes as the user who runs the machine, and reaches nothing outside of the folder.
/// </summary>
/// <param name="Folder">Path on the host.</param>
/// <param name="Tag">What the guest mounts it by: 1 to 36 letters, digits, dots, dashes and underscores.</param>
/// <param name="IsReadOnly">The guest cannot change anything.</param>
public sealed record FolderShare(string Folder, string Tag, bool IsReadOnly = false)
{
    /// <summary>
    /// How long the guest may use names and attributes without asking again. Zero, the default, shows it every change of the host
    /// at once; a second makes walks through large trees faster. File content follows the attributes.
    /// </summary>
    public TimeSpan Validity { get; init; }

    private const int LongestTag = 36;
    private const string ReadOnlyWord = "readonly";

    /// <summary>Parses FOLDER[:TAG[,readonly]]; the tag is the folder's name where none is given.</summary>
    /// <exception cref="StrataException">It names no folder, or the tag is none.</exception>
    public static FolderShare Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        bool plain = colon < 0 || text.IndexOf('/', colon) >= 0; // a colon in the middle of a path
        string folder = plain ? text : text[..colon];
        string[] rest = plain ? [] : text[(colon + 1)..].Split(',');
        if (folder.Length == 0 || rest.Length > 2 || (rest.Length == 2 && rest[1] != ReadOnlyWord))
        {
            throw new StrataException(StrataError.BadInput, $"\"{text}\" is no shared folder; write FOLDER, FOLDER:TAG or FOLDER:TAG,{ReadOnlyWord}.");
        }

        string tag = rest.Length > 0 && rest[0].Length > 0 ? rest[0] : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return new FolderShare(folder, tag, rest.Length == 2);
    }

    /// <exception cref="StrataException">The tag is none, or the folder cannot be used.</exception>
    internal IFileShare Open()
    {
        if (Tag.Length is 0 or > LongestTag || Tag is "." or ".." || !Tag.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
        {
            throw new StrataException(
                StrataError.BadInput, $"\"{Tag}\" is no tag for the shared folder {Folder}: give it 1 to {LongestTag} letters, digits, dots, dashes or underscores.");
        }

        try
        {
            return HostFolder.Open(Folder, IsReadOnly);
        }
        catch (Exception error) when (error is IOException or ArgumentException)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }
}
