using Strata.Control;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>Where the snapshots of machines are.</summary>
public static class SnapshotSets
{
    /// <summary>The folder of all sets: $XDG_DATA_HOME/strata/snapshots or ~/.local/share/strata/snapshots.</summary>
    /// <exception cref="StrataException">The user has no home.</exception>
    public static string DefaultFolder => Path.Combine(UserFolders.Data, "strata", "snapshots");

    /// <summary>The set of a machine, whether it has snapshots or not.</summary>
    /// <param name="machine">Its name.</param>
    /// <exception cref="StrataException">No machine can have that name.</exception>
    public static SnapshotSet Of(string machine)
    {
        MachineName.Check(machine);
        return new SnapshotSet(Path.Combine(DefaultFolder, machine));
    }

    /// <summary>The machines that have snapshots, by name.</summary>
    public static IReadOnlyList<string> Machines() => Directory.Exists(DefaultFolder)
        ? [.. Directory.EnumerateDirectories(DefaultFolder).Where(folder => new SnapshotSet(folder).List().Count > 0).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)]
        : [];
}
