namespace Strata.Disks.Images;

/// <summary>
/// Opens the image that another image names as its backing. The name is untrusted: it is only followed where the caller allows it,
/// through a chain of bounded length, and a format that the name does not state must not lead any further.
/// </summary>
internal static class BackingOpener
{
    /// <param name="path">The image that names the backing.</param>
    /// <param name="name">What it says; null for no backing.</param>
    /// <param name="format">Its format as the image states it; null if it does not.</param>
    /// <returns>Null if there is none, or it is not to be opened.</returns>
    /// <exception cref="DiskImageException">It may not be opened, or cannot be.</exception>
    public static DiskImage? Open(string path, string? name, string? format, DiskOpenOptions options)
    {
        if (name is null || options.Backing == BackingAccess.Detached)
        {
            return null;
        }

        if (options.Backing == BackingAccess.None)
        {
            throw new DiskImageException(
                $"{path} needs the backing image {Printable(name)}, and backing images are not allowed here; allow them if you trust the " +
                $"image.");
        }

        string target = Resolve(path, name);
        string real = RealPath(target);
        if (options.Backing == BackingAccess.SameFolder && !real.StartsWith(Folder(RealPath(path)), StringComparison.Ordinal))
        {
            throw new DiskImageException(
                $"{path} needs the backing image {Printable(name)}, which is not in its folder; allow backing images anywhere " +
                $"(backing=any) if you trust the image.");
        }

        List<string> chain = [.. options.Chain, RealPath(path)];
        if (chain.Contains(real))
        {
            throw new DiskImageException(
                $"{path} is backed by itself, through {Printable(name)}; correct that with strata disk rebase --unsafe.");
        }

        if (chain.Count > DiskOpenOptions.LongestChain)
        {
            throw new DiskImageException(
                $"{path} has more than {DiskOpenOptions.LongestChain} backing images; shorten the chain with strata disk commit.");
        }

        DiskImage backing = DiskImages.Open(target, options with { Format = format, ReadOnly = true, ForRepair = false, Chain = chain });
        if (format is null && backing.Backing is not null)
        {
            backing.Dispose();
            throw new DiskImageException(
                $"{path} does not state the format of its backing image {Printable(name)}, whose guessed format names a further image; " +
                $"state it with strata disk rebase --unsafe.");
        }

        return backing;
    }

    /// <summary>Where a backing image's name leads: relative to the folder of the image that names it.</summary>
    public static string Resolve(string path, string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        bool hasProtocol = colon > 0 && !name[..colon].Contains('/', StringComparison.Ordinal) && name[..colon] != "file";
        if (name.Contains('\0', StringComparison.Ordinal) || hasProtocol)
        {
            throw new DiskImageException(
                $"{path} needs the backing image {Printable(name)}, which is no local file; only files can be opened.");
        }

        string local = colon > 0 && name.StartsWith("file:", StringComparison.Ordinal) ? name[(colon + 1)..] : name;
        return Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, local));
    }

    /// <returns>With a slash at its end.</returns>
    private static string Folder(string path) => Path.GetDirectoryName(path) is { Length: > 1 } folder ? folder + "/" : "/";

    /// <summary>The path with every symbolic link followed; what does not exist stays as it is.</summary>
    private static string RealPath(string path)
    {
        string full = Path.GetFullPath(path);
        string result = "/";
        foreach (string part in full.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(result, part);
            try
            {
                result = File.ResolveLinkTarget(next, returnFinalTarget: true)?.FullName ?? next;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                result = next; // opening it says what is wrong
            }
        }

        return result;
    }

    private static string Printable(string name) => string.Concat(name.Select(character => char.IsControl(character) ? '?' : character));
}
