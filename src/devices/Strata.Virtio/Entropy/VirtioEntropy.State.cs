using Strata.Core.State;

namespace Strata.Virtio.Entropy;

/// <summary>What a source of entropy remembers beside its queue: nothing, so that two copies of a machine get different bytes.</summary>
public sealed class VirtioEntropyState : IStateRecord<VirtioEntropyState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <inheritdoc/>
    public static VirtioEntropyState Read(StateReader reader, ushort version) => new();

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
    }
}

/// <content>The source as a unit of state.</content>
public sealed partial class VirtioEntropy
{
    /// <inheritdoc/>
    public override void Reset()
    {
    }

    /// <inheritdoc/>
    public override VirtioEntropyState SaveState() => new();

    /// <inheritdoc/>
    public override void LoadState(VirtioEntropyState state)
    {
    }
}
