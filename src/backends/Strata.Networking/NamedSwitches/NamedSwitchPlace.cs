namespace Strata.Networking.NamedSwitches;

/// <summary>Where the machines of a named switch meet: a socket in a folder that only their user can enter, and a lock beside it.</summary>
/// <param name="Folder">Nobody but the user may have a say in it; whoever makes the place has checked that.</param>
/// <param name="Name">See <see cref="IsValidName"/>.</param>
public sealed record NamedSwitchPlace(string Folder, string Name)
{
    /// <summary>Characters of a name.</summary>
    public const int LongestName = 40;

    /// <summary>Of the sockets' files.</summary>
    public const string Extension = ".switch";

    /// <summary>sun_path of unix(7), without the zero at its end.</summary>
    private const int LongestPath = 107;

    /// <summary>The process that hosts the switch listens here.</summary>
    public string SocketPath => Path.Combine(Folder, Name + Extension);

    /// <summary>
    /// Held by the process that hosts the switch, as long as it does; never deleted, so that everybody locks the same file.
    /// </summary>
    internal string LockPath => SocketPath + "-lock";

    /// <summary>Whether a text can name a switch: letters, digits, dots, dashes and underscores, a letter or digit first.</summary>
    public static bool IsValidName(string? text) =>
        text is { Length: > 0 and <= LongestName }
            && char.IsAsciiLetterOrDigit(text[0])
            && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    /// <exception cref="IOException">No socket can be there.</exception>
    internal void Check()
    {
        if (!IsValidName(Name))
        {
            throw new IOException(
                $"That cannot name a switch: use 1 to {LongestName} letters, digits, dots, dashes or underscores, a letter or digit " +
                $"first.");
        }

        if (SocketPath.Length > LongestPath)
        {
            throw new IOException(
                $"The path {SocketPath} is too long for a socket ({LongestPath} characters); set XDG_RUNTIME_DIR to a shorter folder.");
        }
    }
}
