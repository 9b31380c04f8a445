namespace Strata;

/// <summary>Where files of the user belong. XDG Base Directory Specification 0.8, "Environment variables".</summary>
internal static class UserFolders
{
    /// <summary>For what can be made again: $XDG_CACHE_HOME or ~/.cache.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string Cache => Choose("XDG_CACHE_HOME", ".cache");

    /// <summary>For what stays: $XDG_DATA_HOME or ~/.local/share.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string Data => Choose("XDG_DATA_HOME", ".local/share");

    /// <param name="variable">Name of the variable.</param>
    /// <param name="value">What it says; anything but an absolute path counts as nothing.</param>
    /// <param name="home">The user's home, or nothing.</param>
    /// <param name="inHome">Folder in the home.</param>
    internal static string Choose(string variable, string? value, string? home, string inHome)
    {
        if (IsAbsolute(value))
        {
            return value!;
        }

        // No folder that everybody may write to takes their place: others could put images and programs there.
        return IsAbsolute(home)
            ? Path.Combine(home!, inHome)
            : throw new StrataException(
                StrataError.Host, $"There is no folder for Strata's files, as this user has no home; set {variable} to a folder of yours.");
    }

    /// <summary>The home is HOME's or, without that, the password file's or, without that, a folder that only root may write to.</summary>
    private static string Choose(string variable, string inHome) => Choose(
        variable,
        Environment.GetEnvironmentVariable(variable),
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify),
        inHome);

    private static bool IsAbsolute(string? path) => !string.IsNullOrEmpty(path) && Path.IsPathFullyQualified(path);
}
