using System.Globalization;

namespace Strata.Images;

/// <summary>ext4 file systems in files, by e2fsprogs.</summary>
internal static class ExtFileSystem
{
    /// <summary>Room for a file system's own structures, beside its files.</summary>
    private const long Overhead = 64L << 20;

    private const long Megabyte = 1 << 20;

    /// <summary>Makes an empty file system; the file is sparse.</summary>
    /// <param name="size">Bytes.</param>
    public static async Task CreateAsync(string path, string label, long size, CancellationToken cancellationToken)
    {
        using (FileStream file = File.Create(path))
        {
            file.SetLength(size);
        }

        // Complete inode tables, so that no kernel spends its first minutes on them; they are holes in the file.
        await MakeAsync(
            path, ["-E", "lazy_itable_init=0", "-J", "size=16", "-m", "0", "-L", label, path], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a file system that holds a copy of a folder.</summary>
    public static async Task CreateFromFolderAsync(string path, string folder, CancellationToken cancellationToken)
    {
        long size = await HostTool.MeasureAsync(folder, cancellationToken).ConfigureAwait(false);
        long megabytes = ((size + (size / 10) + Overhead) / Megabyte) + 1;
        await MakeAsync(
            path, ["-d", folder, path, string.Create(CultureInfo.InvariantCulture, $"{megabytes}M")],
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Checks a file system and copies what is in use: blocks of deleted files become holes.</summary>
    public static async Task CompactAsync(string path, string target, CancellationToken cancellationToken)
    {
        string folder = Path.GetDirectoryName(path)!;
        await HostTool.RunAsync(folder, "e2fsck", ["-f", "-n", path], cancellationToken).ConfigureAwait(false);
        await HostTool.RunAsync(folder, "e2image", ["-r", "-a", path, target], cancellationToken).ConfigureAwait(false);
    }

    private static Task<string> MakeAsync(string path, string[] arguments, CancellationToken cancellationToken) =>
        HostTool.RunAsync(Path.GetDirectoryName(path)!, "mke2fs", ["-q", "-F", "-t", "ext4", .. arguments], cancellationToken);
}
