namespace Strata.Images;

/// <summary>
/// SeaBIOS and the program of its display adapter: the host's where they are installed, otherwise from Debian's package, which the cache
/// keeps. Members are safe on any thread and in several processes.
/// </summary>
internal sealed class FirmwareFiles
{
    private const string Package = "seabios";
    private const string RomFile = "bios-256k.bin";
    private const string VideoFile = "vgabios-stdvga.bin";
    private const string InstalledFolder = "/usr/share/seabios";
    private const string CacheName = "firmware-seabios";

    private FirmwareFiles(string folder) => (Rom, VideoRom) = (Path.Combine(folder, RomFile), Path.Combine(folder, VideoFile));

    /// <summary>Path of the machine's ROM.</summary>
    public string Rom { get; }

    /// <summary>Path of the display adapter's ROM.</summary>
    public string VideoRom { get; }

    private bool Exist => File.Exists(Rom) && File.Exists(VideoRom);

    /// <summary>Finds the files, or fetches them.</summary>
    /// <param name="cache">Null for the user's.</param>
    /// <param name="progress">Hears of a fetch, which takes a while.</param>
    /// <param name="installed">Where the host has them; null for where Debian puts them.</param>
    /// <exception cref="StrataException">The package cannot be fetched.</exception>
    public static async Task<FirmwareFiles> EnsureAsync(
        ImageCache? cache, IProgress<string>? progress, CancellationToken cancellationToken, string? installed = null)
    {
        FirmwareFiles files = new(installed ?? InstalledFolder);
        if (files.Exist)
        {
            return files;
        }

        cache ??= new ImageCache();
        files = new FirmwareFiles(cache.PathOf(CacheName));
        if (files.Exist)
        {
            return files;
        }

        using IDisposable hold = await cache.LockAsync(CacheName, progress, cancellationToken).ConfigureAwait(false);
        if (!files.Exist)
        {
            progress?.Report($"Fetching {Package}");
            await cache.ReplaceAsync(CacheName, staging => FetchAsync(staging, cancellationToken)).ConfigureAwait(false);
        }

        return files;
    }

    private static async Task FetchAsync(string staging, CancellationToken cancellationToken)
    {
        string work = Path.Combine(staging, "work");
        Directory.CreateDirectory(work);
        DebianPackages packages = await DebianPackages.OpenAsync(work, cancellationToken).ConfigureAwait(false);
        string archives = Path.Combine(work, "archives");
        await packages.FetchAsync([Package], archives, cancellationToken).ConfigureAwait(false);
        string root = Path.Combine(work, "root");
        foreach (string file in Directory.GetFiles(archives, "*.deb"))
        {
            await HostTool.RunAsync(work, "dpkg-deb", ["-x", file, root], cancellationToken).ConfigureAwait(false);
        }

        foreach (string name in (ReadOnlySpan<string>)[RomFile, VideoFile])
        {
            string path = Path.Combine(root, "usr/share/seabios", name);
            if (!File.Exists(path))
            {
                throw new StrataException(
                    StrataError.ImageUnavailable, $"The package {Package} holds no {name}; try again when Debian has a new one.");
            }

            File.Move(path, Path.Combine(staging, name));
        }

        Directory.Delete(work, recursive: true);
    }
}
