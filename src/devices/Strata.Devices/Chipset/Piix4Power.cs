using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Devices.Pci;

namespace Strata.Devices.Chipset;

/// <summary>
/// The power management function of the PIIX4: it says where the ACPI ports lie. Intel 82371AB (PIIX4) data sheet, "Power Management
/// PCI Configuration Registers (Function 3)". System management interrupts are shown as set up already, which tells firmware that there
/// are none to be had.
/// <code>
/// 40h  15..6 PMBASE  0 I/O        58h DEVACTA        5Bh  1 APMC_EN        80h  0 PMIOSE: the ports are decoded
/// </code>
/// </summary>
public sealed class Piix4Power : PciFunction
{
    private const int Base = 0x40;
    private const int BaseMask = 0xFFC0;
    private const int Miscellaneous = 0x80;

    private readonly PortSpace _ports;
    private readonly IPortDevice _registers;
    private readonly int _count;
    private ushort? _mapped; // under ConfigGate

    /// <param name="registers">PM1 and the timer, from PMBASE on.</param>
    /// <param name="count">Their ports.</param>
    public Piix4Power(PortSpace ports, IPortDevice registers, int count)
        : base(new PciIdentity(0x8086, 0x7113, 0x068000, 3, 0x1AF4, 0x1100))
    {
        (_ports, _registers, _count) = (ports, registers, count);
        UseInterruptPin(1);
        AddRegisters(Base, [1, 0, 0, 0], [0xC0, 0xFF, 0, 0]);
        AddRegisters(0x58, [0, 0, 0, 0x02], [0xFF, 0xFF, 0xFF, 0xFF]);
        AddRegisters(Miscellaneous, [0], [0x01]);
    }

    /// <inheritdoc/>
    protected override void ApplyConfig(bool isLoading)
    {
        ushort at = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(Config[Base..]) & BaseMask);
        ushort? wanted = (Config[Miscellaneous] & 1) != 0 && at != 0 ? at : null;
        if (wanted == _mapped)
        {
            return;
        }

        if (_mapped is { } old)
        {
            _ports.Unmap(old, _count, _registers);
            _mapped = null;
        }

        if (wanted is { } place && _ports.TryMap(place, _count, _registers))
        {
            _mapped = place;
        }
    }
}
