using Strata.Core.State;
using Strata.Snapshots;
using Strata.Snapshots.Sets;
using Strata.Specs;

namespace Strata;

/// <content>Saving the machine, and going back.</content>
public sealed partial class VirtualMachine
{
    private readonly MachineSaver _saver;

    /// <summary>A suspension under way: the machine's end is told when it is on stable storage.</summary>
    private volatile Task _suspension = Task.CompletedTask;

    /// <summary>
    /// Saves the machine while it goes on: memory, devices, disks. It stands still for some milliseconds, however much memory it has;
    /// what changes before it is saved is copied first. Only what has changed since the last snapshot in the same store is stored.
    /// </summary>
    /// <param name="store">Where; null for the machine's own, which needs a name: <see cref="SnapshotStore.Of"/>.</param>
    /// <exception cref="StrataException">It cannot be saved; the machine goes on, and the store is as it was.</exception>
    public Task<SnapshotReport> CreateSnapshotAsync(
        SnapshotRequest request, SnapshotStore? store = null, CancellationToken cancellationToken = default) =>
        SaveAsync(request, store, end: null, cancellationToken);

    /// <inheritdoc cref="CreateSnapshotAsync(SnapshotRequest, SnapshotStore?, CancellationToken)"/>
    public Task<SnapshotReport> CreateSnapshotAsync(string name, CancellationToken cancellationToken = default) =>
        CreateSnapshotAsync(new SnapshotRequest { Name = name }, null, cancellationToken);

    /// <summary>
    /// Saves the machine and ends it: <see cref="RestoreAsync"/> lets it go on. Disks that are files of their own stay where they are, and
    /// must not change until then.
    /// </summary>
    /// <inheritdoc cref="CreateSnapshotAsync(SnapshotRequest, SnapshotStore?, CancellationToken)"/>
    public Task<SnapshotReport> SuspendAsync(
        SnapshotRequest request, SnapshotStore? store = null, CancellationToken cancellationToken = default)
    {
        Task<SnapshotReport> suspension = SaveAsync(request, store, EndSuspendedAsync, cancellationToken);
        _suspension = suspension;
        return suspension;
    }

    /// <summary>A moment to go back to when the checkpoint is disposed: for tests that leave no trace.</summary>
    /// <exception cref="StrataException">The machine has ended.</exception>
    public async Task<MachineCheckpoint> CheckpointAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await _saver.CheckpointAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is InvalidOperationException or IOException)
        {
            throw new StrataException(StrataError.Host, error.Message, error);
        }
    }

    /// <summary>
    /// Takes this running machine back to one of its snapshots. Consoles, forwarded ports and the agent's callers stay; open connections
    /// end.
    /// </summary>
    /// <returns>How long it stood still.</returns>
    /// <exception cref="StrataException">The snapshot is damaged or of another machine.</exception>
    public async Task<TimeSpan> RollBackAsync(string name, SnapshotStore? store = null, CancellationToken cancellationToken = default)
    {
        try
        {
            SnapshotSet set = (store ?? OwnStore()).Set;
            using Snapshot snapshot = set.Open(name);
            MachineSpec saved = MachineSpec.Read(snapshot.Manifest.Machine);
            List<MediumExchange> media = FindMedia(saved, set, snapshot);
            TimeSpan pause = await _saver.RollBackAsync(snapshot, set, media, cancellationToken).ConfigureAwait(false);
            media.ForEach(change => Spec = With(Spec, change.Index, change.Disk.Spec));
            return pause;
        }
        catch (Exception error) when (error is StateException or InvalidOperationException or IOException or SpecException)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    private async Task<SnapshotReport> SaveAsync(
        SnapshotRequest request, SnapshotStore? store, Func<Task>? end, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        try
        {
            return await _saver.SaveAsync(
                (store ?? OwnStore()).Set, request, manifest => manifest with
                {
                    Machine = Spec.RootedAt(Environment.CurrentDirectory).ToElement(),
                }, end, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (SnapshotException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            throw new StrataException(StrataError.Host, $"The machine could not be saved: {error.Message}", error);
        }
    }

    private SnapshotStore OwnStore() => Spec.Name is { } name
        ? SnapshotStore.Of(name)
        : throw new StrataException(
            StrataError.BadInput,
            "The machine has no name that its snapshots could be kept under; give it one, or say in which store they are to be.");

    /// <summary>Inside of the saver, which waits for nobody here.</summary>
    private Task EndSuspendedAsync()
    {
        _board.Suspend();
        Release();
        return Task.CompletedTask;
    }
}
