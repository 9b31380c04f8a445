using Strata.Devices.Interrupts;
using Strata.Devices.Pci;
using Strata.Virtio;

namespace Strata.Machines.Boards;

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

/// <param name="Virtio">Null for other devices than virtio's.</param>
public sealed record DeviceInspection(int Slot, int Function, PciInspection Pci, VirtioInspection? Virtio);
