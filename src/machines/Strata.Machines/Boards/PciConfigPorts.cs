using Strata.Core.Bus;
using Strata.Devices.Pci;
using Strata.Devices.Power;

namespace Strata.Machines.Boards;

/// <summary>
/// Ports 0xCF8..0xCFF. The chipset's reset register sits inside PCI's address port: byte accesses to 0xCF9 are the reset
/// register, doubleword accesses to 0xCF8 the PCI address.
/// </summary>
internal sealed class PciConfigPorts(PciBus pci, ResetControl reset) : IPortDevice
{
    private const ushort ResetOffset = 1;

    public uint ReadPort(ushort offset, AccessWidth width) =>
        IsReset(offset, width) ? reset.ReadPort(0, width) : pci.ReadPort(offset, width);

    public void WritePort(ushort offset, AccessWidth width, uint value)
    {
        if (IsReset(offset, width))
        {
            reset.WritePort(0, width, value);
        }
        else
        {
            pci.WritePort(offset, width, value);
        }
    }

    private static bool IsReset(ushort offset, AccessWidth width) => offset == ResetOffset && width == AccessWidth.Byte;
}
