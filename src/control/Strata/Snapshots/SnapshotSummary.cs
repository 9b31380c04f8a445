using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>A snapshot in a list.</summary>
public sealed record SnapshotSummary
{
    /// <summary>The machine that it is of.</summary>
    public required string Machine { get; init; }

    public required string Name { get; init; }

    /// <summary>When the machine stood still for it (UTC); null if it cannot be read.</summary>
    public DateTime? Created { get; init; }

    public string? Description { get; init; }

    /// <summary>The snapshot before it, which need not be there any more.</summary>
    public string? Parent { get; init; }

    /// <summary>The engine that ran the machine.</summary>
    public string? Engine { get; init; }

    /// <summary>Bytes of memory that it has for itself.</summary>
    public long MemoryStored { get; init; }

    /// <summary>Bytes of disks that it has for itself.</summary>
    public long DisksStored { get; init; }

    /// <summary>Why it cannot be used; null if it can.</summary>
    public string? Problem { get; init; }

    internal static SnapshotSummary Of(string machine, SnapshotEntry entry) => new()
    {
        Machine = machine,
        Name = entry.Name,
        Created = entry.Manifest?.Created,
        Description = entry.Manifest?.Description,
        Parent = entry.Manifest?.Parent,
        Engine = entry.Manifest?.Engine,
        MemoryStored = entry.Manifest?.Memory.Stored ?? 0,
        DisksStored = entry.Manifest?.Disks.Sum(disk => disk.Stored) ?? 0,
        Problem = entry.Problem,
    };
}

/// <summary>What a snapshot consists of.</summary>
public sealed record SnapshotDetails
{
    public required SnapshotSummary Summary { get; init; }

    /// <summary>The version of Strata that made it.</summary>
    public required string Version { get; init; }

    /// <summary>The machine's virtual time, in ns.</summary>
    public required long GuestTime { get; init; }

    /// <summary>Bytes.</summary>
    public required ulong MemorySize { get; init; }

    /// <summary>Files that hold its memory.</summary>
    public required int Layers { get; init; }

    public required int Processors { get; init; }

    /// <summary>Bytes of translated code that are kept with it; zero for none.</summary>
    public long CodeStored { get; init; }

    /// <summary>Names of the units that have a record.</summary>
    public required IReadOnlyList<string> Units { get; init; }

    /// <summary>Where each disk's content is.</summary>
    public required IReadOnlyList<string> Disks { get; init; }
}
