namespace Strata.Control;

/// <summary>The inside of a machine at about one moment, for people and tools.</summary>
public sealed record BoardInspection
{
    public required IReadOnlyList<ProcessorInspection> Processors { get; init; }

    /// <summary>How often the guest has been started again by a reset.</summary>
    public int Resets { get; init; }

    /// <summary>Pins of the I/O APIC.</summary>
    public required IReadOnlyList<InterruptPinInspection> InterruptPins { get; init; }

    /// <summary>PCI functions by slot and number.</summary>
    public required IReadOnlyList<DeviceInspection> Devices { get; init; }
}

/// <param name="InstructionsExecuted">Executed one by one so far; translated code does not count.</param>
/// <param name="Counters">What the engine has done, a line for people.</param>
public sealed record ProcessorInspection(int Index, long InstructionsExecuted, string Counters);

/// <summary>A pin of the I/O APIC.</summary>
/// <param name="Vector">Where the guest's operating system wants it.</param>
/// <param name="IsLevel">Level-triggered; otherwise by edges.</param>
/// <param name="IsHigh">The wire is active now.</param>
/// <param name="Sent">Interrupts sent so far.</param>
public sealed record InterruptPinInspection(int Pin, byte Vector, bool IsMasked, bool IsLevel, bool IsHigh, long Sent);

/// <param name="Virtio">Null for other devices than virtio's.</param>
public sealed record DeviceInspection(int Slot, int Function, PciInspection Pci, VirtioInspection? Virtio);

/// <summary>What a PCI function is set to now.</summary>
public sealed record PciInspection
{
    public required ushort VendorId { get; init; }

    public required ushort DeviceId { get; init; }

    /// <summary>24 bits.</summary>
    public required uint ClassCode { get; init; }

    /// <summary>The guest allows it to read and write memory on its own.</summary>
    public required bool IsBusMaster { get; init; }

    public required IReadOnlyList<BarInspection> Bars { get; init; }

    /// <summary>How often the function has raised its INTx line.</summary>
    public required long LineInterrupts { get; init; }

    /// <summary>Null for a function without MSI-X.</summary>
    public MsixInspection? Msix { get; init; }
}

/// <param name="Size">Bytes.</param>
/// <param name="Address">Guest-physical; null while it is not mapped.</param>
public sealed record BarInspection(int Index, uint Size, ulong? Address);

/// <param name="IsEnabled">The guest's driver uses MSI-X, not the INTx line.</param>
public sealed record MsixInspection(bool IsEnabled, IReadOnlyList<MsixVectorInspection> Vectors);

/// <param name="Sent">Messages sent so far.</param>
public sealed record MsixVectorInspection(int Vector, bool IsMasked, long Sent);

/// <summary>A virtio device and its driver's settings.</summary>
public sealed record VirtioInspection
{
    /// <summary>As in the specification's table "Device Types".</summary>
    public required ushort DeviceType { get; init; }

    public required string TypeName { get; init; }

    /// <summary>The device status register: 1 ACKNOWLEDGE, 2 DRIVER, 4 DRIVER_OK, 8 FEATURES_OK, 64 NEEDS_RESET.</summary>
    public required byte Status { get; init; }

    /// <summary>Names of the features that the device has.</summary>
    public required IReadOnlyList<string> Offered { get; init; }

    /// <summary>Names of those that the driver took.</summary>
    public required IReadOnlyList<string> Negotiated { get; init; }

    public required IReadOnlyList<QueueInspection> Queues { get; init; }
}

/// <summary>A virtqueue. Indexes count modulo 65,536 from the queue's start; addresses are guest-physical.</summary>
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
