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

    /// <summary>
    /// The guest's user who stands for the user that runs the machine: the folder's files are his. Null for root or, where root runs the
    /// machine, for the host's own owners.
    /// </summary>
    public GuestOwner? Owner { get; init; }

    /// <summary>What <see cref="Parse"/> understands, for help texts.</summary>
    public const string Syntax = "FOLDER[:TAG][,readonly][,owner=USER[:GROUP]]";

    private const int LongestTag = 36;

    /// <summary>
    /// Understands <see cref="Syntax"/>; a comma in the folder is written twice. The tag is what follows the last colon, if no slash does.
    /// Without one the folder's name is the tag, with an underscore for each character that a tag cannot have. A folder that exists under
    /// the whole text, while none does under the part before the colon, is meant as a whole.
    /// </summary>
    /// <exception cref="StrataException">It names no folder, or an option is unknown.</exception>
    public static FolderShare Parse(string text)
    {
        string[] parts = OptionList.Split(text);
        (string folder, string? tag) = SplitTag(parts[0]);
        if (folder.Length == 0)
        {
            throw new StrataException(StrataError.BadInput, $"\"{text}\" is no shared folder; write {Syntax}.");
        }

        FolderShare share = new(folder, tag ?? TagOf(folder));
        foreach (string part in parts.Skip(1))
        {
            share = part.Split('=', 2) switch
            {
                ["readonly"] => share with { IsReadOnly = true },
                ["owner", string numbers] when GuestOwner.TryParse(numbers, out GuestOwner? owner) => share with { Owner = owner },
                _ => throw new StrataException(
                    StrataError.BadInput, $"\"{part}\" is no option of a shared folder; write {Syntax}; {OptionList.Escape}."),
            };
        }

        return share;
    }

    /// <exception cref="StrataException">The tag is none, or the folder cannot be used.</exception>
    internal IFileShare Open()
    {
        if (Tag.Length is 0 or > LongestTag || Tag is "." or ".." || !Tag.All(IsOfTag))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"\"{Tag}\" is no tag for the shared folder {Folder}: give it 1 to {LongestTag} letters, digits, dots, dashes or " +
                $"underscores.");
        }

        try
        {
            return HostFolder.Open(Folder, IsReadOnly, Owner is { } owner ? new FileOwner(owner.UserId, owner.GroupId) : null);
        }
        catch (Exception error) when (error is IOException or ArgumentException)
        {
            string hint = Tag == Path.GetFileName(Path.TrimEndingDirectorySeparator(Folder))
                ? string.Empty
                : $" (Of FOLDER:TAG, the folder ends before the last colon; here the tag is {Tag}.)";
            throw new StrataException(StrataError.BadInput, error.Message + hint, error);
        }
    }

    private static (string Folder, string? Tag) SplitTag(string text)
    {
        int colon = text.LastIndexOf(':');
        bool isWhole = colon < 0 || text.IndexOf('/', colon) >= 0 || (Directory.Exists(text) && !Directory.Exists(text[..colon]));
        return isWhole ? (text, null) : (text[..colon], colon + 1 < text.Length ? text[(colon + 1)..] : null);
    }

    private static string TagOf(string folder)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return string.Concat(name.Take(LongestTag).Select(c => IsOfTag(c) ? c : '_'));
    }

    private static bool IsOfTag(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_';
}
