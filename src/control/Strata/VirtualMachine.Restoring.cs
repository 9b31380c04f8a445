using Strata.Core.State;
using Strata.Engines;
using Strata.Machines.Boards;
using Strata.Snapshots;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;
using Strata.Specs;

namespace Strata;

/// <content>Machines that come from snapshots.</content>
public sealed partial class VirtualMachine
{
    /// <summary>
    /// Starts a machine where a snapshot was taken. Its memory is mapped and read when it is used, so it runs before the snapshot has been
    /// read. Any engine goes on with what any other has saved.
    /// </summary>
    /// <param name="store">The machine's snapshots: <see cref="SnapshotStore.Of"/>.</param>
    /// <param name="name">Which one.</param>
    /// <param name="attachments">What the machine is connected to in this process; null for nothing.</param>
    /// <exception cref="StrataException">The snapshot is damaged, what it needs is not there, or the machine that was saved still runs.</exception>
    public static async Task<VirtualMachine> RestoreAsync(
        SnapshotStore store, string name, RestoreOptions? options = null, MachineAttachments? attachments = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        try
        {
            using Snapshot snapshot = store.Set.Open(name);
            return await RestoreFromAsync(store.Set, snapshot, options ?? new RestoreOptions(), attachments ?? MachineAttachments.None).ConfigureAwait(false);
        }
        catch (SnapshotException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
        catch (Exception error) when (error is StateException or SpecException)
        {
            throw new StrataException(StrataError.BadInput, $"The snapshot {name} cannot be restored. {error.Message}", error);
        }
    }

    private static async Task<VirtualMachine> RestoreFromAsync(SnapshotSet set, Snapshot snapshot, RestoreOptions options, MachineAttachments attachments)
    {
        MachineSpec spec = MachineSpec.Read(snapshot.Manifest.Machine);
        spec = spec with { Name = options.Name ?? spec.Name, Engine = options.Engine ?? spec.Engine };
        CheckRestored(spec, snapshot);
        bool isClone = options.Identity == MachineIdentity.New;
        VirtualMachine machine = await OpenAsync(spec, attachments, new MachineOrigin
        {
            Boot = BootFiles.Later(spec),
            OpenDisk = (disk, index, _) => MachineDisk.Open(disk, snapshot.Manifest.Disks[index], set, isClone),
            Memory = snapshot.Memory,
        }).ConfigureAwait(false);
        try
        {
            machine._board.Pause();
            machine._board.LoadState(snapshot.Units);
            machine._board.Wall.StepTo(DateTime.UtcNow);
            machine._saver.Current = snapshot.Manifest.Name;
            await machine.RunAsync().ConfigureAwait(false);
            machine._board.Resume();
            return machine;
        }
        catch
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The manifest and its parts are of one machine, whoever put them together.</summary>
    private static void CheckRestored(MachineSpec spec, Snapshot snapshot)
    {
        spec.Check();
        if (spec.Memory != snapshot.Memory.Size || spec.Disks.Count != snapshot.Manifest.Disks.Count)
        {
            throw new SnapshotException($"The snapshot {snapshot.Manifest.Name} has other memory or disks than its machine's specification: it is damaged.");
        }
    }
}
