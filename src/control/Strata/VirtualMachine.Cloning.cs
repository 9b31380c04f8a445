using Strata.Snapshots;

namespace Strata;

/// <content>Other machines that begin where this one is.</content>
public sealed partial class VirtualMachine
{
    private readonly ForkPoints _forkPoints = new();
    private CloneIdentity? _identity; // of a clone whose guest is still another machine
    private int _forked; // names given so far

    /// <summary>
    /// What a clone still has of the machine that it was saved from, and why: its guest has no agent, or that could not change it. Null
    /// while all is well.
    /// </summary>
    public string? IdentityFailure { get; private set; }

    /// <summary>
    /// Makes clones in this process that begin where this machine is, which goes on. Memory and disks are shared until somebody writes.
    /// Each has MAC addresses, a name and forwarded ports of its own, and its guest has been made another machine when this returns:
    /// <see cref="IdentityFailure"/>.
    /// </summary>
    /// <param name="count">How many.</param>
    /// <exception cref="StrataException">The machine cannot be saved, or a clone not be started: then none runs.</exception>
    public async Task<IReadOnlyList<VirtualMachine>> ForkAsync(
        int count, ForkOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        options ??= new ForkOptions();
        int first = Interlocked.Add(ref _forked, count) - count + 1;
        MachineAttachments shared = MachineAttachments.None with
        {
            Networks = Attachments.Networks.Where(network => network.Value.AllocateMac is not null).ToDictionary(),
            Loggers = Attachments.Loggers,
        };
        ForkPoint point = await CreateForkPointAsync(cancellationToken).ConfigureAwait(false);
        await using (point.ConfigureAwait(false))
        {
            return await CloneAsync(
                point.Store,
                point.Name,
                count,
                options with
                {
                    Names = options.Names ?? CloneSpec.NamesOf(Spec, first, count),
                    Attachments = options.Attachments ?? (_ => shared),
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes clones that begin at a snapshot or a <see cref="ForkPoint"/>, as <see cref="ForkAsync"/> does.</summary>
    /// <param name="store">The snapshots of the machine.</param>
    /// <param name="name">Which one.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="StrataException">The snapshot cannot be used, or a clone not be started: then none runs.</exception>
    public static async Task<IReadOnlyList<VirtualMachine>> CloneAsync(
        SnapshotStore store, string name, int count, ForkOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        options ??= new ForkOptions();
        if (options.Names is { } given && (given.Count != count || given.Distinct().Count() != count))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"{count} clones need {count} different names, and there are {given.Distinct().Count()}; give as many, or none.");
        }

        IReadOnlyList<string> names = options.Names ?? CloneSpec.NamesOf(SnapshotCatalog.ReadSpec(store, name), 1, count);
        return await RestoreAllAsync(
            store,
            name,
            [.. Enumerable.Range(0, count).Select(i => (
                options.Each with { Identity = MachineIdentity.New, Name = names[i] },
                options.Attachments?.Invoke(i) ?? MachineAttachments.None))],
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// A moment of this machine, which goes on, for clones to begin at: they can be of another process. The folder that it is in goes with
    /// the machine, and what has not changed since the one before is not stored again.
    /// </summary>
    /// <exception cref="StrataException">The machine cannot be saved, or has ended.</exception>
    public Task<ForkPoint> CreateForkPointAsync(CancellationToken cancellationToken = default) =>
        _forkPoints.TakeAsync((request, store) => CreateSnapshotAsync(request, store, cancellationToken), cancellationToken);

    private async Task RepairIdentityAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        if (_identity is { } identity)
        {
            _identity = null;
            IdentityFailure = await identity.RepairAsync(Agent, patience, cancellationToken).ConfigureAwait(false);
        }
    }
}
