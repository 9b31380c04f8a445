using Strata.Control;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>Where the snapshots of a machine are: a folder that only its user can read. Members are safe on any thread.</summary>
public sealed class SnapshotStore
{
    /// <param name="folder">Made when the first snapshot is. Its snapshots should be of one machine, as they share what did not
    /// change.</param>
    public SnapshotStore(string folder)
        : this(new SnapshotSet(folder))
    {
    }

    internal SnapshotStore(SnapshotSet set) => Set = set;

    /// <summary>The folder of all machines' stores: $XDG_DATA_HOME/strata/snapshots or ~/.local/share/strata/snapshots.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string DefaultFolder => Path.Combine(UserFolders.Data, "strata", "snapshots");

    public string Folder => Set.Folder;

    internal SnapshotSet Set { get; }

    /// <summary>The store that the command uses for a machine, whether it has snapshots or not.</summary>
    /// <param name="machine">Its name.</param>
    /// <exception cref="StrataException">No machine can have that name.</exception>
    public static SnapshotStore Of(string machine) => new(Path.Combine(DefaultFolder, MachineName.Check(machine)));

    /// <summary>The machines that have snapshots in the default folder.</summary>
    public static IReadOnlyList<string> Machines() => Directory.Exists(DefaultFolder)
        ? [.. Directory.EnumerateDirectories(DefaultFolder).Where(folder => new SnapshotSet(folder).List().Count > 0)
            .Select(folder => Path.GetFileName(folder)!)
            .Order(StringComparer.Ordinal)]
        : [];
}
