using Strata.Disks.Images;
using Strata.Disks.Qcow2;
using Strata.Disks.Vdi;
using Strata.Disks.Vhd;
using Strata.Disks.Vhdx;
using Strata.Disks.Vmdk;

namespace Strata.Disks;

/// <summary>Opens and makes disk images of every format.</summary>
public static class DiskImages
{
    /// <summary>
    /// Every format; one row each. A file whose content matches two rows is refused; raw matches nothing and is what is left.
    /// </summary>
    public static IReadOnlyList<DiskFormat> Formats { get; } =
    [
        new("qcow2", "QEMU's copy-on-write format, versions 2 and 3", Qcow2Image.Matches, Qcow2Image.Open, Qcow2Image.Create),
        DiskFormat.Plain(
            "vmdk", "VMware's format", ["monolithicSparse", "monolithicFlat", "streamOptimized"], probe =>
                VmdkImage.Probe(probe.Start.Span), VmdkImage.Open,
            (path, size, kind) =>
                VmdkImage.Create(path, size, new VmdkOptions { Subformat = Enum.Parse<VmdkSubformat>(kind!, ignoreCase: true) }))
        with
        {
            SubformatsOfSeveralFiles = ["monolithicFlat"],
        },
        DiskFormat.Plain(
            "vdi", "VirtualBox's format", ["dynamic", "fixed"], probe => VdiImage.Probe(probe.Start.Span), VdiImage.Open,
            (path, size, kind) => VdiImage.Create(path, size, new VdiOptions { Fixed = kind == "fixed" })),
        DiskFormat.Plain(
            "vhd", "Virtual PC's format", ["dynamic", "fixed"], probe => VhdImage.Probe(probe.Start.Span, probe.End.Span), VhdImage.Open,
            (path, size, kind) => VhdImage.Create(path, size, new VhdOptions { Fixed = kind == "fixed" })),
        DiskFormat.Plain(
            "vhdx", "Hyper-V's format", ["dynamic", "fixed"], probe => VhdxImage.Probe(probe.Start.Span), VhdxImage.Open,
            (path, size, kind) => VhdxImage.Create(path, size, new VhdxOptions { Fixed = kind == "fixed" })),
        DiskFormat.Plain(
            "raw", "the disk's plain bytes", [], _ => false, RawDisk.Open, (path, size, _) => RawDisk.Create(path, size).Dispose()),
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

    /// <summary>
    /// The format that a file's content shows; "raw" if it shows none. One that shows two is not guessed: a fixed VHD shows its format
    /// behind the guest's disk only, and the guest may have written another format's header, with a backing image of its choice, into
    /// the first sector.
    /// </summary>
    /// <exception cref="DiskImageException">It cannot be read, or shows more than one format.</exception>
    public static string Probe(string path)
    {
        using ImageFile file = ImageFile.Open(path, readOnly: true);
        string[] names = [.. Match(DiskProbe.Read(file)).Select(format => format.Name)];
        return names.Length <= 1
            ? names.FirstOrDefault("raw")
            : throw new DiskImageException(
                $"The disk {path} looks like {string.Join(" and ", names)} at once, and a guest may have made it so; state its format " +
                $"(format=NAME), the one that it was made with.");
    }

    /// <exception cref="DiskImageException">There is no such format.</exception>
    public static DiskFormat Find(string name) =>
        Formats.FirstOrDefault(format => format.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new DiskImageException(
            $"There is no disk format \"{name}\"; the formats are {string.Join(", ", Formats.Select(format => format.Name))}.");

    /// <summary>Every format that a content shows.</summary>
    internal static IEnumerable<DiskFormat> Match(DiskProbe probe) => Formats.Where(format => format.Matches(probe));
}
