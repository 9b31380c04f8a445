namespace Strata.Virtio.Queue;

/// <summary>A virtqueue, for people and tools. Indexes count modulo 65,536 from the queue's start; addresses are guest-physical.</summary>
public sealed record QueueInspection
{
    public required int Index { get; init; }

    /// <summary>Descriptors.</summary>
    public required int Size { get; init; }

    public required bool IsEnabled { get; init; }

    public required ulong DescriptorTable { get; init; }

    public required ulong AvailableRing { get; init; }

    public required ulong UsedRing { get; init; }

    /// <summary>The MSI-X vector that the driver gave it; null for none.</summary>
    public int? Vector { get; init; }

    public required bool UsesEventIndex { get; init; }

    /// <summary>How many chains the driver has offered; null where its ring cannot be read.</summary>
    public ushort? AvailableIndex { get; init; }

    /// <summary>How many of them the device has taken.</summary>
    public required ushort TakenIndex { get; init; }

    /// <summary>How many the device has returned.</summary>
    public required ushort UsedIndex { get; init; }

    /// <summary>Why the queue stands still, or null.</summary>
    public string? BrokenReason { get; init; }
}
