using Strata.Control;
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
            CodeStored = snapshot.CodeBytes,
            Disks = [.. manifest.Disks.Select(disk => disk.Kind == DiskKind.Referenced
                ? $"{disk.Path}, as it is"
                : $"{disk.Path}, {ByteSize.Format(disk.Stored)} stored here")],
        };
    });

    /// <summary>The machine that a snapshot is of.</summary>
    public static MachineSpec ReadSpec(SnapshotStore store, string name) => Guard(() =>
    {
        ArgumentNullException.ThrowIfNull(store);
        using Snapshot snapshot = store.Set.Open(name);
        return MachineSpec.Read(snapshot.Manifest.Machine);
    });

    /// <summary>Forgets a snapshot, and frees what only it needed.</summary>
    public static Task DeleteAsync(string machine, string name, CancellationToken cancellationToken = default) =>
        DeleteAsync(SnapshotStore.Of(machine), name, cancellationToken);

    /// <inheritdoc cref="DeleteAsync(string, string, CancellationToken)"/>
    public static async Task DeleteAsync(SnapshotStore store, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        await GuardAsync(async () =>
        {
            await store.Set.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            return name;
        }).ConfigureAwait(false);
    }

    /// <summary>Writes a snapshot and all that it needs.</summary>
    public static Task ExportAsync(
        string machine, string name, Stream output, IProgress<string>? progress, CancellationToken cancellationToken = default) =>
        ExportAsync(SnapshotStore.Of(machine), name, output, progress, cancellationToken);

    /// <inheritdoc cref="ExportAsync(string, string, Stream, IProgress{string}?, CancellationToken)"/>
    public static Task ExportAsync(
        SnapshotStore store, string name, Stream output, IProgress<string>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Task.Run(() => Guard(() => Export(store.Set, name, output, progress, cancellationToken)), cancellationToken);
    }

    /// <summary>
    /// Reads what <see cref="ExportAsync(SnapshotStore, string, Stream, IProgress{string}?, CancellationToken)"/> wrote. What it says of
    /// this host's files is not believed: the machine has the disks that come with it, whose changes are thrown away with it, nothing of
    /// its network is recorded, and it ends where its guest resets it, as it would be started from files of this host. One with shared
    /// folders is refused, unless the host's paths are allowed; they can be read then, and not be written.
    /// </summary>
    /// <param name="machine">Whose it is to be.</param>
    /// <param name="name">What it is to be called; null for its own name.</param>
    /// <param name="allowHostPaths">The machine may read the files and folders of this host that it names: whoever wrote the archive is
    /// trusted.</param>
    /// <returns>Its name.</returns>
    public static Task<string> ImportAsync(
        string machine, string? name, Stream input, bool allowHostPaths = false, CancellationToken cancellationToken = default) =>
        ImportAsync(SnapshotStore.Of(machine), name, input, allowHostPaths, cancellationToken);

    /// <inheritdoc cref="ImportAsync(string, string?, Stream, bool, CancellationToken)"/>
    public static Task<string> ImportAsync(
        SnapshotStore store, string? name, Stream input, bool allowHostPaths = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        return GuardAsync(() => SnapshotArchive.ReadAsync(
            store.Set,
            name,
            input,
            (path, size) => Qcow2Image.Create(path, new DiskCreateOptions { Size = size }),
            manifest => Adopt(manifest, allowHostPaths),
            cancellationToken));
    }

    private static SnapshotManifest Adopt(SnapshotManifest manifest, bool allowHostPaths)
    {
        MachineSpec spec = MachineSpec.Read(manifest.Machine);
        CheckDisks(spec, manifest);
        string[] shown = [.. spec.Shares.Select(share => share.Folder), .. spec.Networks.Select(TftpFolder).OfType<string>()];
        if (!allowHostPaths && shown.Length > 0)
        {
            string folders = string.Join(", ", shown.Select(Printable.Text));
            throw new SnapshotException(
                $"The machine in the archive would read folders of this host: {folders}. If you trust whoever wrote it, import it with " +
                $"--allow-host-paths.");
        }

        spec = spec with
        {
            Keep = null,
            FirmwareVariables = null, // its flash has them
            Disks = [.. spec.Disks.Zip(manifest.Disks, Adopt)],
            Shares = [.. spec.Shares.Select(share => share with { IsReadOnly = true })],
            Networks = [.. spec.Networks.Select(card => card with { Capture = null })],
            WritePerfMap = false,
            Sound = spec.Sound is null ? null : SoundSpec.Unheard,
            Reset = allowHostPaths ? spec.Reset : ResetPolicy.Exit,
            Modules = allowHostPaths ? spec.Modules : [],
        };
        return manifest with { Machine = spec.ToElement() };
    }

    private static string? TftpFolder(NetworkCard card) => (card.Plug as NetworkPlug.User)?.Options.TftpFolder;

    private static DiskSpec Adopt(DiskSpec disk, DiskManifest stored) => stored.Path.Length > 0
        ? disk with { Path = stored.Path, Format = "qcow2", Snapshot = !disk.ReadOnly }
        : disk.Bus.IsRemovable()
            ? disk with { Path = string.Empty }
            : throw new SnapshotException("The archive has nothing of a disk that its machine has: it is damaged.");

    private static void CheckDisks(MachineSpec spec, SnapshotManifest manifest)
    {
        if (spec.Disks.Count != manifest.Disks.Count)
        {
            throw new SnapshotException(
                $"The snapshot {manifest.Name} has {manifest.Disks.Count} disks, and its machine {spec.Disks.Count}: it is damaged.");
        }
    }

    private static bool Export(
        SnapshotSet set, string name, Stream output, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        using Snapshot snapshot = set.Open(name);
        MachineSpec spec = MachineSpec.Read(snapshot.Manifest.Machine);
        CheckDisks(spec, snapshot.Manifest);
        List<IBlockBackend?> disks = [];
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
            disks.ForEach(disk => disk?.Dispose());
        }
    }

    private static T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception error) when (Translate(error) is { } translated)
        {
            throw translated;
        }
    }

    private static async Task<T> GuardAsync<T>(Func<Task<T>> action)
    {
        try
        {
            return await action().ConfigureAwait(false);
        }
        catch (Exception error) when (Translate(error) is { } translated)
        {
            throw translated;
        }
    }

    private static StrataException? Translate(Exception error) => error switch
    {
        SnapshotException or DiskImageException or SpecException => new StrataException(StrataError.BadInput, error.Message, error),
        IOException or UnauthorizedAccessException => new StrataException(StrataError.Host, error.Message, error),
        _ => null,
    };
}
