namespace Strata.Images;

/// <summary>
/// Firmware's files: the host's where they are installed, otherwise from Debian's package, which the cache keeps. Members are safe on any
/// thread and in several processes.
/// </summary>
internal sealed class FirmwareFiles
{
    private readonly FirmwarePackage _package;
    private readonly string _folder;

    private FirmwareFiles(FirmwarePackage package, string folder) => (_package, _folder) = (package, folder);

    /// <summary>Path of the machine's ROM.</summary>
    public string Rom => PathOf(_package.Rom)!;

    /// <summary>Path of the display adapter's ROM; null for firmware that needs none.</summary>
    public string? VideoRom => PathOf(_package.VideoRom);

    /// <summary>Path of what the firmware's variables begin with; null for firmware that has none.</summary>
    public string? Variables => PathOf(_package.Variables);

    private bool Exist => _package.Files.All(file => File.Exists(PathOf(file)));

    /// <summary>Finds the files, or fetches them.</summary>
    /// <param name="package">Which firmware.</param>
    /// <param name="cache">Null for the user's.</param>
    /// <param name="progress">Hears of a fetch, which takes a while.</param>
    /// <param name="installed">Where the host has them; null for where Debian puts them.</param>
    /// <exception cref="StrataException">The package cannot be fetched.</exception>
    public static async Task<FirmwareFiles> EnsureAsync(
        FirmwarePackage package, ImageCache? cache, IProgress<string>? progress, CancellationToken cancellationToken,
        string? installed = null)
    {
        FirmwareFiles files = new(package, installed ?? package.Folder);
        if (files.Exist)
        {
            return files;
        }

        cache ??= new ImageCache();
        string name = $"firmware-{package.Name}";
        files = new FirmwareFiles(package, cache.PathOf(name));
        if (files.Exist)
        {
            return files;
        }

        using IDisposable hold = await cache.LockAsync(name, progress, cancellationToken).ConfigureAwait(false);
        if (!files.Exist)
        {
            progress?.Report($"Fetching {package.Name}");
            await cache.ReplaceAsync(name, staging => FetchAsync(package, staging, cancellationToken)).ConfigureAwait(false);
        }

        return files;
    }

    private static async Task FetchAsync(FirmwarePackage package, string staging, CancellationToken cancellationToken)
    {
        string work = Path.Combine(staging, "work");
        Directory.CreateDirectory(work);
        DebianPackages packages = await DebianPackages.OpenAsync(work, cancellationToken).ConfigureAwait(false);
        string archives = Path.Combine(work, "archives");
        await packages.FetchAsync([package.Name], archives, cancellationToken).ConfigureAwait(false);
        string root = Path.Combine(work, "root");
        foreach (string file in Directory.GetFiles(archives, "*.deb"))
        {
            await HostTool.RunAsync(work, "dpkg-deb", ["-x", file, root], cancellationToken).ConfigureAwait(false);
        }

        foreach (string name in package.Files)
        {
            string path = Path.Combine(root, package.Folder.TrimStart('/'), name);
            if (!File.Exists(path))
            {
                throw new StrataException(
                    StrataError.ImageUnavailable, $"The package {package.Name} holds no {name}; try again when Debian has a new one.");
            }

            File.Move(path, Path.Combine(staging, name));
        }

        Directory.Delete(work, recursive: true);
    }

    private string? PathOf(string? file) => file is null ? null : Path.Combine(_folder, file);
}
