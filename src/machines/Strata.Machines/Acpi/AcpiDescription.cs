using Strata.Machines.Boards;

namespace Strata.Machines.Acpi;

/// <summary>What ACPI tables say of a board, where boards differ.</summary>
/// <param name="PciWindowStart">Guest-physical address where the range for PCI's memory begins.</param>
/// <param name="HasMouse">The keyboard controller has a mouse.</param>
/// <param name="PowerPort">First port of PM1 and the power management timer.</param>
/// <param name="CanSleep">There is firmware that lets a guest go on behind S3.</param>
/// <param name="HasHpet">There are high-precision event timers.</param>
internal sealed record AcpiDescription(
    uint PciWindowStart, bool HasMouse, ushort PowerPort = PcMemoryMap.AcpiPowerPort, bool CanSleep = false, bool HasHpet = false)
{
    /// <summary>A board whose guest is loaded by the monitor.</summary>
    public static AcpiDescription WithoutFirmware { get; } = new(PcMemoryMap.PciWindowStart, HasMouse: false);

    /// <summary>A board with firmware, which gives PCI all from 2 GiB on where there is no RAM.</summary>
    /// <param name="memory">Bytes of RAM.</param>
    /// <param name="powerPort">See <see cref="PowerPort"/>.</param>
    /// <param name="hasHpet">See <see cref="HasHpet"/>.</param>
    public static AcpiDescription WithFirmware(ulong memory, ushort powerPort = PcMemoryMap.AcpiPowerPort, bool hasHpet = false) =>
        new(
            memory <= PcMemoryMap.FirmwarePciWindowStart ? (uint)PcMemoryMap.FirmwarePciWindowStart : PcMemoryMap.PciWindowStart,
            HasMouse: true, powerPort, CanSleep: true, hasHpet);
}
