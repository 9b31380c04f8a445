namespace Strata.Snapshots;

/// <summary>What snapshot to make.</summary>
public sealed record SnapshotRequest
{
    /// <summary>Its name: <see cref="Sets.SnapshotName.Rule"/>.</summary>
    public required string Name { get; init; }

    /// <summary>A sentence for people.</summary>
    public string? Description { get; init; }

    /// <summary>
    /// Do not keep what the engine has made of the guest's code. That makes the snapshot smaller, and a machine that is restored from it
    /// slower at first.
    /// </summary>
    public bool LeavesOutCode { get; init; }
}

/// <summary>What making a snapshot took.</summary>
/// <param name="Name">Of the snapshot.</param>
/// <param name="Pause">How long the machine stood still.</param>
/// <param name="Duration">How long it took, most of it beside the machine.</param>
/// <param name="MemoryStored">Bytes of memory that were stored: those that changed since the last snapshot.</param>
/// <param name="DisksStored">The same of disks.</param>
public sealed record SnapshotReport(string Name, TimeSpan Pause, TimeSpan Duration, long MemoryStored, long DisksStored);
