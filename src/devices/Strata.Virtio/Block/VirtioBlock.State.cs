using Strata.Core.State;

namespace Strata.Virtio.Block;

/// <summary>What a virtual disk remembers beside its queues.</summary>
public sealed class VirtioBlockState : IStateRecord<VirtioBlockState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Size of the disk when it was saved: a driver knows it and does not ask again.</summary>
    public required long Sectors { get; set; }

    /// <summary>The writeback field: writes may wait for a flush.</summary>
    public required bool IsWriteback { get; set; }

    /// <summary>The driver may write the writeback field.</summary>
    public required bool MayChooseCache { get; set; }

    /// <inheritdoc/>
    public static VirtioBlockState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VirtioBlockState
        {
            Sectors = reader.Read<long>(nameof(Sectors), 0, long.MaxValue),
            IsWriteback = reader.ReadBoolean(nameof(IsWriteback)),
            MayChooseCache = reader.ReadBoolean(nameof(MayChooseCache)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Sectors);
        writer.Write(IsWriteback);
        writer.Write(MayChooseCache);
    }
}

/// <content>The disk as a unit of state. What lies on it is saved apart.</content>
public sealed partial class VirtioBlock
{
    /// <inheritdoc/>
    public override void Reset()
    {
        _mayChooseCache = false;
        SetWriteback(true);
    }

    /// <inheritdoc/>
    public override VirtioBlockState SaveState() => new()
    {
        Sectors = _disk.Sectors,
        IsWriteback = _isWriteback,
        MayChooseCache = _mayChooseCache,
    };

    /// <inheritdoc/>
    public override void LoadState(VirtioBlockState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Sectors != _disk.Sectors)
        {
            throw Refuse(
                nameof(state.Sectors), $"is {state.Sectors}, and the disk has {_disk.Sectors}: give the machine the disk that it had");
        }

        _mayChooseCache = state.MayChooseCache;
        SetWriteback(state.IsWriteback);
    }
}
