using System.Buffers.Binary;
using Strata.Core.State;

namespace Strata.Virtio.Balloon;

/// <summary>What a memory balloon remembers beside its queues.</summary>
public sealed class VirtioBalloonState : IStateRecord<VirtioBalloonState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Pages of 4 KiB that the host should get.</summary>
    public required uint WantedPages { get; set; }

    /// <summary>Pages that the balloon holds, as the driver says.</summary>
    public required uint HeldPages { get; set; }

    /// <inheritdoc/>
    public static VirtioBalloonState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new VirtioBalloonState
        {
            WantedPages = reader.Read<uint>(nameof(WantedPages)),
            HeldPages = reader.Read<uint>(nameof(HeldPages)),
        };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(WantedPages);
        writer.Write(HeldPages);
    }
}

/// <content>
/// The balloon as a unit of state. Who waits for statistics goes on waiting, also for those of a guest that was put back.
/// </content>
public sealed partial class VirtioBalloon
{
    /// <summary>The host's wish outlives the guest.</summary>
    public override void Reset() => BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(ActualOffset), 0);

    /// <inheritdoc/>
    public override VirtioBalloonState SaveState() => new()
    {
        WantedPages = BinaryPrimitives.ReadUInt32LittleEndian(_configuration),
        HeldPages = BinaryPrimitives.ReadUInt32LittleEndian(_configuration.AsSpan(ActualOffset)),
    };

    /// <inheritdoc/>
    public override void LoadState(VirtioBalloonState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        lock (Gate)
        {
            _wantedPages = state.WantedPages;
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration, state.WantedPages);
            BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(ActualOffset), state.HeldPages);
            _wantsStatistics = _statistics is not null; // the buffer that was asked for may have come back before the state was saved
        }
    }

    /// <summary>The statistics buffer is taken again behind the pause.</summary>
    protected override void OnQuiesced()
    {
        if (_statisticsBuffer is not null)
        {
            _statisticsBuffer = null;
            Queues[StatisticsQueue].PutBack(1);
        }
    }

    protected override void OnResumed() => ShowWanted();
}
