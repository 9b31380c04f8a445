namespace Strata.Snapshots;

/// <summary>
/// A moment of a running machine that clones can begin at, by <see cref="VirtualMachine.CloneAsync"/>. It is there until it is disposed.
/// </summary>
public sealed class ForkPoint : IAsyncDisposable
{
    private Func<ValueTask>? _release;

    internal ForkPoint(SnapshotStore store, string name, Func<ValueTask> release)
    {
        Store = store;
        Name = name;
        _release = release;
    }

    /// <summary>Where it is: a folder that goes with the machine.</summary>
    public SnapshotStore Store { get; }

    /// <summary>Its name there.</summary>
    public string Name { get; }

    /// <summary>Clones that run are not affected.</summary>
    public ValueTask DisposeAsync() => Interlocked.Exchange(ref _release, null) is { } release ? release() : ValueTask.CompletedTask;
}
