namespace Strata.Snapshots.Sets;

/// <summary>A snapshot in a list.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Manifest">What it says; null if it cannot be read.</param>
/// <param name="Problem">Why it cannot be read; null if it can.</param>
public sealed record SnapshotEntry(string Name, SnapshotManifest? Manifest, string? Problem);
