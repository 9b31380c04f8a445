using System.Globalization;
using Strata.Core.Storage;
using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Disks.Throttling;

namespace Strata;

/// <summary>A disk of a machine: an image and how it is used. A string converts to the disk with that path and no options.</summary>
public sealed record DiskSpec
{
    /// <summary>What <see cref="Parse"/> understands, for help texts.</summary>
    public const string Syntax =
        "PATH[,format=NAME][,bus=virtio|nvme|ahci|ide|cdrom|floppy][,readonly][,snapshot][,backing=folder|any|none]"
        + "[,bps=SIZE][,iops=NUMBER]";

    /// <summary>The image. Empty for a CD drive without a disc.</summary>
    public required string Path { get; init; }

    /// <summary>Name of the image's format; null to conclude it from the content.</summary>
    public string? Format { get; init; }

    /// <summary>How it is attached.</summary>
    public DiskBus Bus { get; init; }

    /// <summary>The guest cannot write the disk.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>What the guest writes is thrown away at the end; the image stays as it is.</summary>
    public bool Snapshot { get; init; }

    /// <summary>Which backing images may be opened.</summary>
    public BackingImages Backing { get; init; } = BackingImages.SameFolder;

    /// <summary>Bounds on the disk's speed; null for none.</summary>
    public DiskThrottle? Throttle { get; init; }

    /// <summary>A drive without a medium.</summary>
    internal bool IsEmpty => Path.Length == 0;

    public static implicit operator DiskSpec(string path) => FromPath(path);

    public static DiskSpec FromPath(string path) => new() { Path = path };

    /// <summary>A disc in a CD drive.</summary>
    /// <param name="path">An ISO image; empty for a drive without a disc.</param>
    public static DiskSpec Disc(string path) => new() { Path = path, Bus = DiskBus.Cdrom, ReadOnly = true };

    /// <summary>A diskette in a floppy drive.</summary>
    /// <param name="path">An image of its sectors.</param>
    public static DiskSpec Diskette(string path) => new() { Path = path, Bus = DiskBus.Floppy };

    /// <summary>Understands <see cref="Syntax"/>; a comma in the path is written twice.</summary>
    /// <exception cref="StrataException">An option is unknown or has an impossible value.</exception>
    public static DiskSpec Parse(string text)
    {
        string[] parts = OptionList.Split(text);
        DiskSpec disk = new() { Path = parts[0] };
        foreach (string part in parts.Skip(1))
        {
            string[] pair = part.Split('=', 2);
            string? value = pair.Length == 2 ? pair[1] : null;
            disk = (pair[0], value) switch
            {
                ("format", { Length: > 0 }) => disk with { Format = value },
                ("bus", "virtio") => disk with { Bus = DiskBus.Virtio },
                ("bus", "nvme") => disk with { Bus = DiskBus.Nvme },
                ("bus", "ahci") => disk with { Bus = DiskBus.Ahci },
                ("bus", "ide") => disk with { Bus = DiskBus.Ide },
                ("bus", "cdrom") => disk with { Bus = DiskBus.Cdrom, ReadOnly = true },
                ("bus", "floppy") => disk with { Bus = DiskBus.Floppy },
                ("readonly", null) => disk with { ReadOnly = true },
                ("snapshot", null) => disk with { Snapshot = true },
                ("backing", "folder") => disk with { Backing = BackingImages.SameFolder },
                ("backing", "any") => disk with { Backing = BackingImages.Any },
                ("backing", "none") => disk with { Backing = BackingImages.None },
                ("bps", not null) when ByteSize.TryParse(value, out long bytes) && bytes > 0 =>
                    disk with { Throttle = (disk.Throttle ?? new DiskThrottle()) with { BytesPerSecond = bytes } },
                ("iops", not null) when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long count)
                    && count > 0 =>
                    disk with { Throttle = (disk.Throttle ?? new DiskThrottle()) with { OperationsPerSecond = count } },
                _ => throw new StrataException(
                    StrataError.BadInput, $"\"{part}\" is no option of a disk; write {Syntax}; {OptionList.Escape}."),
            };
        }

        return disk;
    }
}
