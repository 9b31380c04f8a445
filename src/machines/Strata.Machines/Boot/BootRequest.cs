using Strata.Core.Bus;

namespace Strata.Machines.Boot;

/// <summary>One range of the memory map that firmware reports.</summary>
/// <param name="Start">Guest-physical address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Kind">1 usable, 2 reserved, 3 ACPI tables.</param>
public readonly record struct MemoryMapEntry(ulong Start, ulong Length, uint Kind);

/// <summary>What a loader needs to place an image.</summary>
public sealed class BootRequest
{
    public required AddressSpace Memory { get; init; }

    /// <summary>Bytes of RAM from address zero.</summary>
    public required ulong LowMemory { get; init; }

    public required IReadOnlyList<MemoryMapEntry> MemoryMap { get; init; }

    /// <summary>Guest-physical address of the ACPI RSDP, or zero.</summary>
    public ulong Rsdp { get; init; }

    public required byte[] Kernel { get; init; }

    public byte[]? Initrd { get; init; }

    public string CommandLine { get; init; } = string.Empty;
}
