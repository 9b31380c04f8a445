using System.Security.Cryptography;

namespace Strata.Snapshots;

/// <summary>
/// The key that seals what engines made of guests' code: kept code is machine code of the host, so nothing is executed that another user,
/// host or guest has made. It is this user's own, in the file <c>$XDG_DATA_HOME/strata/code.key</c>, and no part of any snapshot.
/// </summary>
internal static class CodeKey
{
    private const int Bytes = 32;
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The key, made at the first call.</summary>
    /// <exception cref="IOException">It cannot be read or made, or is none: the message says why.</exception>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static byte[] Get() => Get(Path.Combine(UserFolders.Data, "strata"));

    /// <param name="folder">Where the file is.</param>
    internal static byte[] Get(string folder)
    {
        string path = Path.Combine(folder, "code.key");
        try
        {
            if (!File.Exists(path))
            {
                Make(folder, path);
            }

            return Read(path);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new IOException(error.Message, error);
        }
    }

    private static byte[] Read(string path)
    {
        FileInfo file = new(path);
        if (file.LinkTarget is not null || (file.UnixFileMode & ~Own) != 0 || file.Length != Bytes)
        {
            throw new IOException($"The file {path} is no key that only its user can read; delete it, and another one is made.");
        }

        return File.ReadAllBytes(path) is { Length: Bytes } key
            ? key
            : throw new IOException($"The file {path} changed while it was read.");
    }

    /// <summary>Of several that do this at a time one wins, and all read what it has made.</summary>
    private static void Make(string folder, string path)
    {
        Directory.CreateDirectory(folder);
        string mine = $"{path}.{Guid.NewGuid():N}";
        using (FileStream file = new(
            mine, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Own }))
        {
            file.Write(RandomNumberGenerator.GetBytes(Bytes));
        }

        try
        {
            File.Move(mine, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(mine);
        }
    }
}
