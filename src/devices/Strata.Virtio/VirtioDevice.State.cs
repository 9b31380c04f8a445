using Strata.Core.State;

namespace Strata.Virtio;

/// <content>
/// The device as a unit of state. Its queues and what was negotiated belong to its transport, which is loaded before it.
/// <para>While it is quiesced its workers are idle, between two chains, and nothing comes from backends. What the host wishes meanwhile
/// (a cable plugged in, another target of the balloon) is shown to the guest behind <see cref="Resume"/>.</para>
/// </content>
public abstract partial class VirtioDevice : IUnit
{
    private volatile bool _isQuiesced;

    /// <summary>The name of the PCI function in front of it, and what it is: <c>pci/03.0/block</c>.</summary>
    public string UnitName => $"{FunctionName()}/{VirtioNames.OfType(DeviceType).Replace(' ', '-')}";

    /// <summary>What its backend keeps for the guest; empty for most.</summary>
    public virtual IEnumerable<IUnit> BackendUnits => [];

    /// <summary>Set by the transport.</summary>
    internal Func<string> FunctionName { get; set; } = () => "pci/unplugged";

    /// <summary>No chain is to be taken any more, for now or for good.</summary>
    protected bool MustStop => _disposed || _isQuiesced;

    /// <inheritdoc/>
    public abstract void Reset();

    /// <inheritdoc/>
    public void Quiesce()
    {
        _isQuiesced = true;
        Array.ForEach(_workers, worker => worker.Activity.Close());
        using (Hold())
        {
            OnQuiesced();
        }
    }

    /// <inheritdoc/>
    public void Resume()
    {
        _isQuiesced = false;
        Array.ForEach(_workers, worker => worker.Activity.Open());
        OnResumed();
        if (DriverFeatures != 0)
        {
            Notify();
        }
    }

    /// <inheritdoc/>
    public abstract void Save(StateWriter writer);

    /// <inheritdoc/>
    public abstract void Load(StateReader reader);

    /// <summary>
    /// The workers have stopped: chains that were taken and are kept go back into their queues. Under <see cref="Hold"/>.
    /// </summary>
    protected virtual void OnQuiesced()
    {
    }

    /// <summary>The device goes on, perhaps with another state. Without any lock.</summary>
    protected virtual void OnResumed()
    {
    }

    /// <summary>Does something about a queue from outside of its worker, unless the device is quiesced.</summary>
    /// <returns>False if it is: the caller has to wait for <see cref="OnResumed"/>. Otherwise <see cref="Leave"/> has to follow.</returns>
    protected bool TryEnter(int queue = 0) => _workers[WorkerOf(queue)].Activity.TryEnter();

    protected void Leave(int queue = 0) => _workers[WorkerOf(queue)].Activity.Exit();

    /// <summary>A record of this device that does not fit.</summary>
    /// <param name="field">Of the record.</param>
    /// <param name="why">The end of a sentence.</param>
    protected StateException Refuse(string field, string why) => new($"The saved state of {UnitName} cannot be used: {field} {why}.");
}

/// <summary>A virtio device whose own state is the record <typeparamref name="TState"/>.</summary>
public abstract class VirtioDevice<TState> : VirtioDevice, IUnit<TState>
    where TState : IStateRecord<TState>
{
    /// <inheritdoc cref="VirtioDevice(Core.Bus.AddressSpace, int, string, int, int)"/>
    protected VirtioDevice(Core.Bus.AddressSpace memory, int queues, string name, int workers = 1, int queuesPerWorker = 1)
        : base(memory, queues, name, workers, queuesPerWorker)
    {
    }

    /// <inheritdoc/>
    public abstract TState SaveState();

    /// <inheritdoc/>
    public abstract void LoadState(TState state);

    /// <inheritdoc/>
    public sealed override void Save(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteRecord(SaveState());
    }

    /// <inheritdoc/>
    public sealed override void Load(StateReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        LoadState(reader.ReadRecord<TState>());
    }
}
