using Strata.Machines.Boards;

namespace Strata.Images;

/// <summary>
/// iPXE as ROMs of network cards, for BIOS and UEFI: the host's where they are installed, otherwise from Debian's package, which the cache
/// keeps. Members are safe on any thread and in several processes.
/// </summary>
internal static class NetworkRomFiles
{
    private const string Package = "ipxe-qemu";
    private const string InstalledFolder = "/usr/lib/ipxe/qemu";
    private const string CacheName = "firmware-ipxe";

    private static readonly (NetworkCardModel Model, string File)[] Files =
        [(NetworkCardModel.Virtio, "efi-virtio.rom"), (NetworkCardModel.E1000, "efi-e1000.rom")];

    /// <summary>Finds the ROMs, or fetches them, and reads them.</summary>
    /// <param name="cache">Null for the user's.</param>
    /// <param name="progress">Hears of a fetch, which takes a while.</param>
    /// <param name="installed">Where the host has them; null for where Debian puts them.</param>
    /// <exception cref="StrataException">The package cannot be fetched, or a file not be read.</exception>
    public static async Task<IReadOnlyDictionary<NetworkCardModel, byte[]>> ReadAsync(
        ImageCache? cache, IProgress<string>? progress, CancellationToken cancellationToken, string? installed = null)
    {
        string folder = installed ?? InstalledFolder;
        if (!IsComplete(folder))
        {
            folder = await FindInCacheAsync(cache ?? new ImageCache(), progress, cancellationToken).ConfigureAwait(false);
        }

        Dictionary<NetworkCardModel, byte[]> roms = [];
        try
        {
            foreach ((NetworkCardModel model, string file) in Files)
            {
                roms[model] = await File.ReadAllBytesAsync(Path.Combine(folder, file), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(
                StrataError.Host, $"The network cards' ROMs cannot be read: {error.Message} Install the package {Package}.", error);
        }

        return roms;
    }

    private static bool IsComplete(string folder) => Array.TrueForAll(Files, file => File.Exists(Path.Combine(folder, file.File)));

    private static async Task<string> FindInCacheAsync(ImageCache cache, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        string folder = cache.PathOf(CacheName);
        if (IsComplete(folder))
        {
            return folder;
        }

        using IDisposable hold = await cache.LockAsync(CacheName, progress, cancellationToken).ConfigureAwait(false);
        if (!IsComplete(folder))
        {
            progress?.Report($"Fetching {Package}");
            await cache.ReplaceAsync(CacheName, staging => FetchAsync(staging, cancellationToken)).ConfigureAwait(false);
        }

        return folder;
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

        string found = Path.Combine(root, InstalledFolder.TrimStart('/'));
        if (!IsComplete(found))
        {
            throw new StrataException(
                StrataError.ImageUnavailable, $"The package {Package} lacks a card's ROM; try again when Debian has a new one.");
        }

        foreach ((_, string name) in Files)
        {
            File.Move(Path.Combine(found, name), Path.Combine(staging, name));
        }

        Directory.Delete(work, recursive: true);
    }
}
