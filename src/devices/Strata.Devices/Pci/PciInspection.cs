namespace Strata.Devices.Pci;

/// <summary>What a PCI function is set to now, for people and tools.</summary>
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
