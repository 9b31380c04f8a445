using System.Text.RegularExpressions;

namespace Strata.Snapshots.Sets;

/// <summary>What a snapshot may be called: it is a folder's name as well.</summary>
public static partial class SnapshotName
{
    public const int Longest = 64;

    /// <summary>For messages.</summary>
    public const string Rule = "1 to 64 letters, digits, '-', '_' and '.', and a letter or digit first";

    public static bool IsValid(string? name) => name is { Length: <= Longest } && Pattern().IsMatch(name);

    /// <exception cref="SnapshotException">It is not.</exception>
    public static void Check(string? name)
    {
        if (!IsValid(name))
        {
            throw new SnapshotException($"A snapshot cannot be called \"{name}\"; a name has {Rule}.");
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*\z")]
    private static partial Regex Pattern();
}
