using Strata.Core.Bus;

namespace Strata.Machines.Boot;

/// <summary>One range of the memory map that firmware reports.</summary>
/// <param name="Start">Guest-physical address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Kind">1 usable, 2 reserved, 3 ACPI tables.</param>
public readonly record struct MemoryMapEntry(ulong Start, ulong Length, uint Kind);

/// <summary>What a loader needs to place an image.</summary>
public sealed record BootRequest
{
    public required AddressSpace Memory { get; init; }

    /// <summary>Bytes of RAM from address zero.</summary>
    public required ulong LowMemory { get; init; }

    public required IReadOnlyList<MemoryMapEntry> MemoryMap { get; init; }

    /// <summary>Guest-physical address of the ACPI RSDP, or zero.</summary>
    public ulong Rsdp { get; init; }

    public required ReadOnlyMemory<byte> Kernel { get; init; }

    /// <summary>What a kernel that has its own name in front of its command line finds there.</summary>
    public string KernelName { get; init; } = "kernel";

    /// <summary>Empty for none.</summary>
    public ReadOnlyMemory<byte> Initrd { get; init; }

    /// <summary>The initrd's string where it is a module.</summary>
    public string InitrdName { get; init; } = "initrd";

    /// <summary>What comes behind the initrd, by protocols that know modules.</summary>
    public IReadOnlyList<BootModule> Modules { get; init; } = [];

    /// <summary>The initrd, where there is one, and the modules.</summary>
    internal IReadOnlyList<BootModule> AllModules => Initrd.IsEmpty ? Modules : [new BootModule(Initrd, InitrdName), .. Modules];

    public string CommandLine { get; init; } = string.Empty;
}
