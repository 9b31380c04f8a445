namespace Strata.Disks.Images;

/// <summary>What image to make. A format refuses options that it does not have.</summary>
public sealed record DiskCreateOptions
{
    /// <summary>Bytes; a multiple of 512.</summary>
    public required long Size { get; init; }

    /// <summary>Replace the file if it exists.</summary>
    public bool Overwrite { get; init; }

    /// <summary>What the format calls the kind of image; null for its default.</summary>
    public string? Subformat { get; init; }

    /// <summary>Unit of allocation in bytes; null for the format's default.</summary>
    public int? ClusterSize { get; init; }

    /// <summary>Name of the backing image as it is to be stored: relative to the new image's folder, or absolute.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Format of the backing image; should be given with <see cref="BackingFile"/>.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>Version of the format, qcow2: 2 or 3; null for the newest.</summary>
    public int? Version { get; init; }

    /// <summary>qcow2: bits of a reference count, a power of two from 1 to 64; null for 16.</summary>
    public int? RefcountBits { get; init; }

    /// <summary>qcow2: write reference counts only when the image is closed; a crash then costs a repair.</summary>
    public bool LazyRefcounts { get; init; }
}
