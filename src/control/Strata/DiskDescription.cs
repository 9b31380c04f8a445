namespace Strata;

/// <summary>A format of disk images.</summary>
/// <param name="Name">Such as qcow2.</param>
/// <param name="Subformats">Kinds of images that it has; empty for one.</param>
public sealed record DiskFormatDescription(string Name, IReadOnlyList<string> Subformats);

/// <summary>Which backing images of an image may be opened.</summary>
public enum BackingImages
{
    /// <summary>Only those in the folder of the image that names them, or below it.</summary>
    SameFolder,

    /// <summary>Any file that the user may read. For images whose origin is trusted.</summary>
    Any,

    /// <summary>None: an image that needs one cannot be opened.</summary>
    None,

    /// <summary>None, but the image is opened: its own clusters and metadata can be used, other clusters cannot be read.</summary>
    Detached,
}

/// <summary>An image to work on.</summary>
public sealed record DiskSource(string Path)
{
    /// <summary>Name of the image's format; null to conclude it from the content.</summary>
    public string? Format { get; init; }

    /// <summary>Which backing images may be opened.</summary>
    public BackingImages Backing { get; init; }
}

/// <summary>What image to make. A format refuses options that it does not have.</summary>
public sealed record DiskCreation
{
    /// <summary>Bytes, a multiple of 512; null for the backing image's.</summary>
    public long? Size { get; init; }

    /// <summary>Replace the file if it exists.</summary>
    public bool Overwrite { get; init; }

    /// <summary>What the format calls the kind of image; null for its default.</summary>
    public string? Subformat { get; init; }

    /// <summary>Unit of allocation in bytes; null for the format's default.</summary>
    public int? ClusterSize { get; init; }

    /// <summary>Name of the backing image as it is to be stored: relative to the new image's folder, or absolute.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Format of the backing image; null to conclude it now, once.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>Version of the format, qcow2: 2 or 3; null for the newest.</summary>
    public int? Version { get; init; }

    /// <summary>qcow2: bits of a reference count, a power of two from 1 to 64; null for 16.</summary>
    public int? RefcountBits { get; init; }

    /// <summary>qcow2: write reference counts only when the image is closed; a crash then costs a repair.</summary>
    public bool LazyRefcounts { get; init; }
}

/// <summary>Facts about an image; sizes in bytes.</summary>
public sealed record DiskDescription
{
    public required string File { get; init; }

    public required string Format { get; init; }

    /// <summary>What the format calls this kind of image; null where there is only one.</summary>
    public string? Subformat { get; init; }

    /// <summary>Size of the disk that the guest sees.</summary>
    public required long VirtualSize { get; init; }

    /// <summary>What the file takes on the host's disk.</summary>
    public required long AllocatedSize { get; init; }

    /// <summary>Unit of allocation; null for formats without one.</summary>
    public long? ClusterSize { get; init; }

    /// <summary>Name of the backing or parent image as the image states it; untrusted text.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Format of the backing image as the image states it.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>Whether the image was not closed properly.</summary>
    public bool IsDirty { get; init; }

    /// <summary>Internal snapshots, oldest first.</summary>
    public IReadOnlyList<DiskSnapshot> Snapshots { get; init; } = [];
}

/// <summary>A snapshot inside an image.</summary>
/// <param name="Id">The format's identifier.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Created">When it was taken.</param>
/// <param name="VirtualSize">Size of the disk then; bytes.</param>
public sealed record DiskSnapshot(string Id, string Name, DateTimeOffset Created, long VirtualSize);

/// <summary>What a check of an image found.</summary>
public sealed record DiskCheck
{
    /// <summary>Inconsistencies that endanger data, as lines for people.</summary>
    public IReadOnlyList<string> Errors { get; init; } = [];

    /// <summary>Space that is allocated but not referred to; bytes.</summary>
    public long LeakedBytes { get; init; }

    /// <summary>What was corrected, as lines for people.</summary>
    public IReadOnlyList<string> Repairs { get; init; } = [];

    public bool IsClean => Errors.Count == 0 && LeakedBytes == 0;
}

/// <summary>What a comparison of two disks found.</summary>
/// <param name="DifferentAt">
/// Offset of the first byte that differs; null if there is none. Behind the end of the shorter disk, zeros are expected.
/// </param>
/// <param name="HasSameSize">Whether both have the same number of sectors.</param>
public sealed record DiskDifference(long? DifferentAt, bool HasSameSize)
{
    /// <summary>Whether a guest would find the same bytes, apart from zeros at the end of the longer disk.</summary>
    public bool IsSame => DifferentAt is null;
}

/// <summary>How far an operation is; bytes.</summary>
public readonly record struct DiskStep(long Done, long Total);
