namespace Strata.Disks.Images;

/// <summary>Facts about an image.</summary>
public sealed record DiskImageInfo
{
    public required string Format { get; init; }

    /// <summary>What the format calls this kind of image, such as monolithicSparse; null where there is only one.</summary>
    public string? Subformat { get; init; }

    /// <summary>Size of the disk that the guest sees; bytes.</summary>
    public required long VirtualSize { get; init; }

    /// <summary>Unit of allocation; bytes; null for formats without one.</summary>
    public long? ClusterSize { get; init; }

    /// <summary>Name of the backing or parent image as the image states it; untrusted text.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Format of the backing image as the image states it.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>Whether the image was not closed properly.</summary>
    public bool IsDirty { get; init; }

    /// <summary>Internal snapshots, oldest first.</summary>
    public IReadOnlyList<DiskSnapshotInfo> Snapshots { get; init; } = [];
}

/// <summary>A snapshot inside an image.</summary>
/// <param name="Id">The format's identifier.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Created">When it was taken.</param>
/// <param name="VirtualSize">Size of the disk then; bytes.</param>
public sealed record DiskSnapshotInfo(string Id, string Name, DateTimeOffset Created, long VirtualSize);

/// <summary>What a check of an image found.</summary>
public sealed record DiskCheckReport
{
    /// <summary>Inconsistencies that endanger data, as lines for people.</summary>
    public IReadOnlyList<string> Errors { get; init; } = [];

    /// <summary>Space that is allocated but not referred to; bytes.</summary>
    public long LeakedBytes { get; init; }

    /// <summary>What was corrected, as lines for people.</summary>
    public IReadOnlyList<string> Repairs { get; init; } = [];

    public bool IsClean => Errors.Count == 0 && LeakedBytes == 0;
}
