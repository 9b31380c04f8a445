using Strata.Core.State;

namespace Strata.Virtio.Queue;

/// <summary>A virtqueue as its driver set it up, and how far the device is in it.</summary>
public sealed class VirtQueueState : IStateRecord<VirtQueueState>
{
    private const int LongestReason = 400; // bytes

    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>Descriptors: a power of two.</summary>
    public required ushort Size { get; set; }

    public required bool IsEnabled { get; set; }

    /// <summary>Guest-physical, as the next two; anything, as from a driver: each access is checked.</summary>
    public required ulong DescriptorTable { get; set; }

    public required ulong AvailableRing { get; set; }

    public required ulong UsedRing { get; set; }

    /// <summary>MSI-X vector; FFFFh for none.</summary>
    public required ushort Vector { get; set; }

    public required bool UsesEventIndex { get; set; }

    /// <summary>How many chains the device has taken, modulo 65,536, as the next two.</summary>
    public required ushort TakenIndex { get; set; }

    /// <summary>How many it has returned.</summary>
    public required ushort UsedIndex { get; set; }

    /// <summary>How many it had returned when it last thought of an interrupt.</summary>
    public required ushort SignalledIndex { get; set; }

    /// <summary>Why the queue stands still; empty while it does not.</summary>
    public required string BrokenReason { get; set; }

    /// <inheritdoc/>
    public static VirtQueueState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        VirtQueueState state = new()
        {
            Size = reader.Read<ushort>(nameof(Size), 1, VirtQueue.MaxSize),
            IsEnabled = reader.ReadBoolean(nameof(IsEnabled)),
            DescriptorTable = reader.Read<ulong>(nameof(DescriptorTable)),
            AvailableRing = reader.Read<ulong>(nameof(AvailableRing)),
            UsedRing = reader.Read<ulong>(nameof(UsedRing)),
            Vector = reader.Read<ushort>(nameof(Vector)),
            UsesEventIndex = reader.ReadBoolean(nameof(UsesEventIndex)),
            TakenIndex = reader.Read<ushort>(nameof(TakenIndex)),
            UsedIndex = reader.Read<ushort>(nameof(UsedIndex)),
            SignalledIndex = reader.Read<ushort>(nameof(SignalledIndex)),
            BrokenReason = reader.ReadText(nameof(BrokenReason), LongestReason),
        };
        return ushort.IsPow2(state.Size) ? state : throw reader.Refuse(nameof(Size), $"is {state.Size}, no power of two");
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Size);
        writer.Write(IsEnabled);
        writer.Write(DescriptorTable);
        writer.Write(AvailableRing);
        writer.Write(UsedRing);
        writer.Write(Vector);
        writer.Write(UsesEventIndex);
        writer.Write(TakenIndex);
        writer.Write(UsedIndex);
        writer.Write(SignalledIndex);
        writer.WriteText(BrokenReason);
    }
}

/// <content>Its state, as a part of its device's transport's.</content>
public sealed partial class VirtQueue
{
    /// <summary>
    /// Gives back the chains that were taken last and not returned, as if they had never been taken: whoever goes on, here or on a copy
    /// of the machine, takes them again.
    /// </summary>
    internal void PutBack(int chains) => _lastAvailable -= (ushort)chains;

    internal VirtQueueState SaveState() => new()
    {
        Size = Size,
        IsEnabled = IsEnabled,
        DescriptorTable = DescriptorTable,
        AvailableRing = AvailableRing,
        UsedRing = UsedRing,
        Vector = Vector,
        UsesEventIndex = UsesEventIndex,
        TakenIndex = _lastAvailable,
        UsedIndex = _usedIndex,
        SignalledIndex = _lastSignalled,
        BrokenReason = BrokenReason ?? "",
    };

    internal void LoadState(VirtQueueState state)
    {
        Size = state.Size;
        IsEnabled = state.IsEnabled;
        DescriptorTable = state.DescriptorTable;
        AvailableRing = state.AvailableRing;
        UsedRing = state.UsedRing;
        Vector = state.Vector;
        UsesEventIndex = state.UsesEventIndex;
        _lastAvailable = state.TakenIndex;
        _usedIndex = state.UsedIndex;
        _lastSignalled = state.SignalledIndex;
        BrokenReason = state.BrokenReason.Length > 0 ? state.BrokenReason : null;
    }
}
