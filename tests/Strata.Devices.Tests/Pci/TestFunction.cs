using Strata.Core.Bus;
using Strata.Devices.Pci;

namespace Strata.Devices.Tests.Pci;

/// <summary>
/// A PCI function with a memory BAR, one capability, MSI-X with three vectors and a pin, INTA# where nothing else is said.
/// </summary>
internal sealed class TestFunction : PciFunction, IMmioDevice
{
    public const uint BarSize = 0x4000;
    public const int Vectors = 3;

    public TestFunction(byte pin = 1)
        : base(new PciIdentity(0x1234, 0x5678, 0x020301, 7, 0xAAAA, 0xBBBB))
    {
        UseInterruptPin(pin);
        AddMemoryBar(0, BarSize, this);
        VendorCapability = AddCapability(0x09, [0x10, 0x11, 0x12, 0x13], [0x00, 0xF0, 0x00, 0xFF]);
        AddMsix(1, Vectors);
    }

    public int VendorCapability { get; }

    public void Interrupt(bool high) => SetInterrupt(high);

    public ulong ReadMmio(ulong offset, AccessWidth width) => offset;

    public void WriteMmio(ulong offset, AccessWidth width, ulong value)
    {
    }
}
