using System.Text.Json;
using System.Text.Json.Serialization;

namespace Strata.Snapshots.Sets;

/// <summary>What a snapshot consists of: the file <c>manifest.json</c>. The format is described in docs/formats/snapshot.md.</summary>
public sealed record SnapshotManifest
{
    /// <summary>The layout that this version writes, and the newest that it reads.</summary>
    public const int NewestFormat = 1;

    /// <summary>The layout of the snapshot's files.</summary>
    public required int Format { get; init; }

    public required string Name { get; init; }

    /// <summary>Tells it from every other snapshot.</summary>
    public required Guid Id { get; init; }

    /// <summary>When the machine stood still for it (UTC).</summary>
    public required DateTime Created { get; init; }

    /// <summary>The version of Strata that made it.</summary>
    public required string Version { get; init; }

    /// <summary>What its maker said about it.</summary>
    public string? Description { get; init; }

    /// <summary>The name of the snapshot before it in the machine's life, if there is one; it need not be there any more.</summary>
    public string? Parent { get; init; }

    /// <summary>The engine that ran the machine; any other may go on.</summary>
    public required string Engine { get; init; }

    /// <summary>The machine's virtual time, in ns.</summary>
    public required long GuestTime { get; init; }

    public required MemoryManifest Memory { get; init; }

    public IReadOnlyList<DiskManifest> Disks { get; init; } = [];

    /// <summary>The machine's specification, as docs/formats/machine-spec.md says.</summary>
    public required JsonElement Machine { get; init; }
}

/// <summary>The memory of a snapshot.</summary>
public sealed record MemoryManifest
{
    /// <summary>Bytes.</summary>
    public required ulong Size { get; init; }

    /// <summary>Names of the layers that the page map counts, the first one first.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>Bytes that this snapshot's own layer has.</summary>
    public required long Stored { get; init; }
}

/// <summary>How a disk's content at the moment of the snapshot is kept.</summary>
public sealed record DiskManifest
{
    public required DiskKind Kind { get; init; }

    /// <summary>
    /// For <see cref="DiskKind.Stored"/>: the names of its images in the set, the disk's own first, then what it is laid over.
    /// </summary>
    public IReadOnlyList<string> Chain { get; init; } = [];

    /// <summary>The disk's own image in the set; null for one that is kept elsewhere.</summary>
    [JsonIgnore]
    public string? File => Chain.Count == 0 ? null : Chain[0];

    /// <summary>
    /// The image that the disk is, or that it is laid over, as the machine's specification says. Empty for an empty drive.
    /// </summary>
    public required string Path { get; init; }

    /// <summary>For what is kept outside of the set: what the file was like.</summary>
    public FileCheck? Check { get; init; }

    /// <summary>Bytes that the set has of it.</summary>
    public long Stored { get; init; }
}

/// <summary>Where a disk's content is.</summary>
public enum DiskKind
{
    /// <summary>In the disk's own file, which must not have changed.</summary>
    Referenced,

    /// <summary>In an image of the set, over the file that the disk is laid over, or on its own.</summary>
    Stored,
}

/// <summary>What tells a file from a changed one without reading it.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedTicks">Time of the last modification (UTC), in ticks of 100 ns since the year 1.</param>
public sealed record FileCheck(long Length, long ModifiedTicks)
{
    /// <exception cref="SnapshotException">There is no such file.</exception>
    public static FileCheck Of(string path)
    {
        FileInfo file = new(path);
        return file.Exists
            ? new FileCheck(file.Length, file.LastWriteTimeUtc.Ticks)
            : throw new SnapshotException($"The disk {path} is not there; put it back, or restore a snapshot that does not need it.");
    }
}

/// <summary>Manifests as JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    WriteIndented = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SnapshotManifest))]
internal sealed partial class SnapshotJson : JsonSerializerContext;
