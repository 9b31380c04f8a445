using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// The moments of a machine that clones begin at: snapshots in a folder that only its user can read, and that goes with the machine. The
/// newest stays until there is another, which then stores only what has changed. Safe on any thread.
/// </summary>
internal sealed class ForkPoints : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly Dictionary<string, int> _users = []; // of each that is there; under _gate, as the following
    private ForkFolder? _folder;
    private string? _newest;
    private int _count;
    private bool _ended;

    /// <param name="save">Saves the machine.</param>
    public async Task<ForkPoint> TakeAsync(Func<SnapshotRequest, SnapshotStore, Task> save, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_ended)
            {
                throw new StrataException(
                    StrataError.BadInput, "The machine has ended, and cannot be cloned any more; clone one of its snapshots.");
            }

            _folder ??= ForkFolder.Create();
            SnapshotStore store = _folder.Store;
            string name = $"fork-{++_count}";
            await save(new SnapshotRequest { Name = name, LeavesOutCode = true }, store).ConfigureAwait(false);
            string? older = _newest;
            _newest = name;
            _users[name] = 1;
            await RemoveUnusedAsync(older).ConfigureAwait(false);
            return new ForkPoint(store, name, () => ReleaseAsync(name));
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The machine has ended. Clones have their files open.</summary>
    public void Dispose()
    {
        _gate.Wait();
        try
        {
            _ended = true;
            _folder?.Dispose();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask ReleaseAsync(string name)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            _users[name]--;
            await RemoveUnusedAsync(name).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task RemoveUnusedAsync(string? name)
    {
        if (!_ended && name is not null && name != _newest && _users[name] == 0)
        {
            _users.Remove(name);
            await _folder!.Store.Set.DeleteAsync(name).ConfigureAwait(false);
        }
    }
}
