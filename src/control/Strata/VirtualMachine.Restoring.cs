using Microsoft.Extensions.Logging;
using Strata.Core.State;
using Strata.Engines;
using Strata.Machines.Boards;
using Strata.Networking.Frames;
using Strata.Snapshots;
using Strata.Snapshots.Code;
using Strata.Snapshots.Memory;
using Strata.Snapshots.Sets;
using Strata.Specs;

namespace Strata;

/// <content>Machines that come from snapshots.</content>
public sealed partial class VirtualMachine
{
    /// <summary>
    /// Starts a machine where a snapshot was taken. Its memory is mapped and read when it is used, so it runs before the snapshot has been
    /// read. Any engine goes on with what any other has saved. A clone's guest has been made another machine when this returns, if it has
    /// an agent: <see cref="IdentityFailure"/>.
    /// </summary>
    /// <param name="store">The machine's snapshots: <see cref="SnapshotStore.Of"/>.</param>
    /// <param name="name">Which one.</param>
    /// <param name="attachments">What the machine is connected to in this process; null for nothing.</param>
    /// <exception cref="StrataException">The snapshot is damaged, what it needs is not there, or the machine that was saved still
    /// runs.</exception>
    public static async Task<VirtualMachine> RestoreAsync(
        SnapshotStore store, string name, RestoreOptions? options = null, MachineAttachments? attachments = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        IReadOnlyList<VirtualMachine> machines = await RestoreAllAsync(
            store, name, [(options ?? new RestoreOptions(), attachments ?? MachineAttachments.None)],
            cancellationToken).ConfigureAwait(false);
        return machines[0];
    }

    /// <summary>
    /// Opens the machines, starts them, and waits until the guests of clones are machines of their own: some at a time, as more than the
    /// host has processors for would only wait for each other.
    /// </summary>
    private static async Task<IReadOnlyList<VirtualMachine>> RestoreAllAsync(
        SnapshotStore store, string name, IReadOnlyList<(RestoreOptions Options, MachineAttachments Attachments)> all,
        CancellationToken cancellationToken)
    {
        VirtualMachine?[] machines = new VirtualMachine?[all.Count];
        ParallelOptions someAtATime = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellationToken };
        try
        {
            using Snapshot snapshot = store.Set.Open(name);
            await Parallel.ForAsync(0, all.Count, someAtATime, async (i, _) =>
                machines[i] = await PrepareAsync(
                    store.Set, snapshot, all[i].Options, all[i].Attachments).ConfigureAwait(false)).ConfigureAwait(false);
            await Parallel.ForAsync(0, all.Count, someAtATime, async (i, token) =>
            {
                await machines[i]!.RunAsync().ConfigureAwait(false);
                machines[i]!._board.Resume();
                await machines[i]!.RepairIdentityAsync(all[i].Options.IdentityPatience, token).ConfigureAwait(false);
            }).ConfigureAwait(false);
            return machines!;
        }
        catch (Exception error)
        {
            foreach (VirtualMachine machine in machines.OfType<VirtualMachine>())
            {
                await machine.DisposeAsync().ConfigureAwait(false);
            }

            switch (error)
            {
                case SnapshotException:
                    throw new StrataException(StrataError.BadInput, error.Message, error);
                case StateException or SpecException:
                    throw new StrataException(StrataError.BadInput, $"The snapshot {name} cannot be restored. {error.Message}", error);
                default:
                    throw;
            }
        }
    }

    /// <summary>A machine that stands still where the snapshot was taken.</summary>
    private static async Task<VirtualMachine> PrepareAsync(
        SnapshotSet set, Snapshot snapshot, RestoreOptions options, MachineAttachments attachments)
    {
        bool isClone = options.Identity == MachineIdentity.New;
        MachineSpec saved = MachineSpec.Read(snapshot.Manifest.Machine);
        MachineSpec spec = saved with
        {
            Name = options.Name ?? saved.Name,
            Engine = options.Engine ?? saved.Engine,
            Cpu = saved.Cpu ?? CpuNames.BeforeThereWasAChoice,
        };
        spec = isClone ? CloneSpec.Of(spec, options.KeepIdentity) : spec;
        spec = options.Forwards is { } forwards ? CloneSpec.With(spec, forwards) : spec;
        CheckRestored(spec, snapshot);
        VirtualMachine machine = await OpenAsync(spec, attachments, new MachineOrigin
        {
            Boot = BootFiles.Later(spec),
            OpenDisk = (_, index, _) => MachineDisk.Open(saved.Disks[index], snapshot.Manifest.Disks[index], set, isClone),
            Memory = snapshot.Memory,
            OpenKeptCode = options.IgnoresKeptCode ? null : (identity, log) => OpenKeptCode(snapshot, identity.Span, log),
        }).ConfigureAwait(false);
        try
        {
            machine._board.Pause();
            machine._saver.CheckDisks(snapshot, set);
            machine._board.LoadState(snapshot.Units);
            machine._saver.PutBackDisks(snapshot, set);
            machine._board.Wall.StepTo(DateTime.UtcNow);
            machine._saver.Current = snapshot.Manifest.Name;
            if (isClone && !options.KeepIdentity)
            {
                machine._board.RenewGeneration(Guid.NewGuid());
                machine._identity = new CloneIdentity(
                    machine._board, spec, machine._networks.Cards.Select(card => MacAddress.Read(card.MacAddress.Span)));
                machine._identity.HoldPrograms();
                machine._identity.Unplug();
            }

            return machine;
        }
        catch
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Kept code is of use or is left alone: nothing of the machine depends on it.</summary>
    private static KeptCode? OpenKeptCode(Snapshot snapshot, ReadOnlySpan<byte> identity, ILogger log)
    {
        if (snapshot.CodeBytes == 0)
        {
            return null;
        }

        KeptCode? code = null;
        string? problem;
        try
        {
            code = snapshot.OpenCode(identity, CodeKey.Get(), out problem);
        }
        catch (Exception error) when (error is IOException or StrataException)
        {
            problem = error.Message;
        }

        if (problem is not null)
        {
            LogKeptCodeIgnored(log, snapshot.Manifest.Name, problem);
        }

        return code;
    }

    /// <summary>The manifest and its parts are of one machine, whoever put them together.</summary>
    private static void CheckRestored(MachineSpec spec, Snapshot snapshot)
    {
        spec.Check();
        if (spec.Memory != snapshot.Memory.Size || spec.Disks.Count != snapshot.Manifest.Disks.Count)
        {
            throw new SnapshotException(
                $"The snapshot {snapshot.Manifest.Name} has other memory or disks than its machine's specification: it is damaged.");
        }
    }
}
