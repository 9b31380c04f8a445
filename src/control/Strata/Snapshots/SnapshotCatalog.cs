using Strata.Core.Storage;
using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Qcow2;
using Strata.Snapshots.Sets;
using Strata.Snapshots.Transfer;
using Strata.Specs;

namespace Strata.Snapshots;

/// <summary>Snapshots by the names of their machines, whether these run or not. Errors are <see cref="StrataException"/>s.</summary>
public static class SnapshotCatalog
{
    /// <summary>The machines that have snapshots.</summary>
    public static IReadOnlyList<string> Machines() => SnapshotStore.Machines();

    /// <summary>A machine's snapshots, the oldest first.</summary>
    public static IReadOnlyList<SnapshotSummary> List(string machine) =>
        [.. SnapshotStore.Of(machine).Set.List().Select(entry => SnapshotSummary.Of(machine, entry))];

    /// <summary>What a snapshot consists of; its files are checked.</summary>
    public static SnapshotDetails Show(string machine, string name) => Guard(() =>
    {
        using Snapshot snapshot = SnapshotStore.Of(machine).Set.Open(name);
        SnapshotManifest manifest = snapshot.Manifest;
        return new SnapshotDetails
        {
            Summary = SnapshotSummary.Of(machine, new SnapshotEntry(name, manifest, null)),
            Version = manifest.Version,
            GuestTime = manifest.GuestTime,
            MemorySize = manifest.Memory.Size,
            Layers = manifest.Memory.Layers.Count,
            Processors = MachineSpec.Read(manifest.Machine).Processors,
            Units = [.. snapshot.Units.Select(unit => unit.UnitName)],
            Disks = [.. manifest.Disks.Select(disk => disk.Kind == DiskKind.Referenced
                ? $"{disk.Path}, as it is"
                : $"{disk.Path}, {ByteSize.Format(disk.Stored)} stored here")],
        };
    });

    /// <summary>The machine that a snapshot is of.</summary>
    public static MachineSpec ReadSpec(string machine, string name) => Guard(() =>
    {
        using Snapshot snapshot = SnapshotStore.Of(machine).Set.Open(name);
        return MachineSpec.Read(snapshot.Manifest.Machine);
    });

    /// <summary>Forgets a snapshot, and frees what only it needed.</summary>
    public static Task DeleteAsync(string machine, string name, CancellationToken cancellationToken = default) =>
        DeleteAsync(SnapshotStore.Of(machine), name, cancellationToken);

    /// <inheritdoc cref="DeleteAsync(string, string, CancellationToken)"/>
    public static async Task DeleteAsync(SnapshotStore store, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        try
        {
            await store.Set.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (SnapshotException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    /// <summary>Writes a snapshot and all that it needs.</summary>
    public static Task ExportAsync(string machine, string name, Stream output, IProgress<string>? progress, CancellationToken cancellationToken = default) =>
        ExportAsync(SnapshotStore.Of(machine), name, output, progress, cancellationToken);

    /// <inheritdoc cref="ExportAsync(string, string, Stream, IProgress{string}?, CancellationToken)"/>
    public static Task ExportAsync(SnapshotStore store, string name, Stream output, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Task.Run(() => Guard(() => Export(store.Set, name, output, progress, cancellationToken)), cancellationToken);
    }

    /// <summary>Reads what <see cref="ExportAsync(SnapshotStore, string, Stream, IProgress{string}?, CancellationToken)"/> wrote.</summary>
    /// <param name="machine">Whose it is to be.</param>
    /// <param name="name">What it is to be called; null for its own name.</param>
    /// <returns>Its name.</returns>
    public static Task<string> ImportAsync(string machine, string? name, Stream input, CancellationToken cancellationToken = default) =>
        ImportAsync(SnapshotStore.Of(machine), name, input, cancellationToken);

    /// <inheritdoc cref="ImportAsync(string, string?, Stream, CancellationToken)"/>
    public static async Task<string> ImportAsync(SnapshotStore store, string? name, Stream input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        try
        {
            return await SnapshotArchive.ReadAsync(
                store.Set, name, input, (path, size) => Qcow2Image.Create(path, new DiskCreateOptions { Size = size }), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (Exception error) when (error is SnapshotException or DiskImageException)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    private static bool Export(SnapshotSet set, string name, Stream output, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        using Snapshot snapshot = set.Open(name);
        MachineSpec spec = MachineSpec.Read(snapshot.Manifest.Machine);
        List<IBlockBackend> disks = [];
        try
        {
            for (int i = 0; i < snapshot.Manifest.Disks.Count; i++)
            {
                disks.Add(MachineDisk.OpenContent(spec.Disks[i], snapshot.Manifest.Disks[i], set));
            }

            long reported = 0;
            Progress<(long Done, long Total)>? steps = progress is null ? null : new Progress<(long Done, long Total)>(at =>
            {
                long percent = at.Done * 100 / Math.Max(1, at.Total);
                if (percent >= reported + 10)
                {
                    reported = percent;
                    progress.Report($"exporting {name}: {percent} %");
                }
            });
            SnapshotArchive.Write(snapshot, disks, output, steps, cancellationToken);
            return true;
        }
        finally
        {
            disks.ForEach(disk => disk.Dispose());
        }
    }

    private static T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception error) when (error is SnapshotException or DiskImageException or SpecException)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }
}
