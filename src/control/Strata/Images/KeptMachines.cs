namespace Strata.Images;

/// <summary>Machines of an image whose disk stays: a folder each, with a disk of their own and the kernel that fits it.</summary>
public static class KeptMachines
{
    /// <summary>Where those with a plain name are: $XDG_DATA_HOME/strata/machines or ~/.local/share/strata/machines.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string DefaultFolder => Path.Combine(UserFolders.Data, "strata", "machines");

    /// <summary>A machine that goes on where it stopped; the first time, a new one.</summary>
    /// <param name="name">A plain name, or a path with a slash in it.</param>
    /// <exception cref="StrataException">The image has no disk, or the folder cannot be used, or the machine runs.</exception>
    public static Task<MachineSpec> CreateSpecAsync(
        GuestImage image, GuestSetup setup, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(name);
        if (image is not DebianImage debian)
        {
            throw new StrataException(
                StrataError.BadInput, $"{image.ImageName} cannot be kept; use {DebianImage.Name}, or a copy of its disk.");
        }

        if (name.Length == 0 || name is "." or ".." || name.Contains('\0', StringComparison.Ordinal))
        {
            throw new StrataException(
                StrataError.BadInput, $"\"{name}\" cannot name a machine; use a word such as web, or an absolute path.");
        }

        string folder = name.Contains('/', StringComparison.Ordinal) ? name : Path.Combine(DefaultFolder, name);
        return debian.CreateKeptSpecAsync(setup, folder, cancellationToken);
    }
}
