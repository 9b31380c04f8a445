using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks;

/// <summary>Opens and makes disk images of every format.</summary>
public static class DiskImages
{
    /// <summary>Every format; one row each. The first row that matches a file's content wins; raw matches nothing and is what is left.</summary>
    public static IReadOnlyList<DiskFormat> Formats { get; } =
    [
        new("qcow2", "QEMU's copy-on-write format, versions 2 and 3", Qcow2Image.Matches, Qcow2Image.Open, Qcow2Image.Create),
        new("raw", "the disk's plain bytes", _ => false, (path, options) => RawDisk.Open(path, options.ReadOnly), CreateRaw),
    ];

    /// <summary>Opens an image.</summary>
    /// <exception cref="DiskImageException">It cannot be opened. The message is for the user.</exception>
    public static DiskImage Open(string path, DiskOpenOptions? options = null)
    {
        options ??= new DiskOpenOptions();
        string format = options.Format ?? Probe(path);
        return options.Format is null && format == "raw"
            ? RawDisk.Open(path, options.ReadOnly, isGuess: true)
            : Find(format).Open(path, options);
    }

    /// <summary>Makes an image and opens it for writing.</summary>
    /// <param name="format">Name of a row of <see cref="Formats"/>.</param>
    /// <exception cref="DiskImageException">It cannot be made. The message is for the user.</exception>
    public static DiskImage Create(string path, string format, DiskCreateOptions options) => Find(format).Create(path, options);

    /// <summary>The format that a file's content shows; "raw" if it shows none.</summary>
    /// <exception cref="DiskImageException">It cannot be read.</exception>
    public static string Probe(string path)
    {
        using ImageFile file = ImageFile.Open(path, readOnly: true);
        return Match(DiskProbe.Read(file))?.Name ?? "raw";
    }

    /// <exception cref="DiskImageException">There is no such format.</exception>
    public static DiskFormat Find(string name) =>
        Formats.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new DiskImageException($"There is no disk format \"{name}\"; the formats are {string.Join(", ", Formats.Select(format => format.Name))}.");

    internal static DiskFormat? Match(DiskProbe probe) => Formats.FirstOrDefault(format => format.Matches(probe));

    private static RawDisk CreateRaw(string path, DiskCreateOptions options)
    {
        string? refused = options switch
        {
            { BackingFile: not null } => "backing image",
            { ClusterSize: not null } => "cluster size",
            { Subformat: not null } => "subformat",
            { Version: not null } => "version",
            { RefcountBits: not null } or { LazyRefcounts: true } => "reference counts",
            _ => null,
        };
        return refused is null
            ? RawDisk.Create(path, options.Size, options.Overwrite)
            : throw new DiskImageException($"A raw disk has no {refused}; leave that option out or choose the format qcow2.");
    }
}
