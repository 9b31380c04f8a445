using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Devices.Pci;

namespace Strata.Devices.Display;

/// <summary>
/// The VGA as a PCI function with its ROM: a linear framebuffer in BAR 0, registers in BAR 2, beside ports and window at the places that
/// every PC's display has. As QEMU's "VGA" is, whose drivers systems have (Linux bochs-drm).
/// </summary>
public sealed class VgaPci : PciFunction
{
    private const uint RegisterBarSize = 0x1000;
    private const int FrameBar = 0;
    private const int RegisterBar = 2;

    /// <param name="rom">The display's program for firmware; null for a machine whose firmware needs none.</param>
    public VgaPci(Vga vga, GuestMemory? rom)
        : base(new PciIdentity(0x1234, 0x1111, 0x030000, 2, 0x1AF4, 0x1100))
    {
        ArgumentNullException.ThrowIfNull(vga);
        Vga = vga;
        AddRamBar(FrameBar, vga.Memory);
        AddMemoryBar(RegisterBar, RegisterBarSize, vga.RegisterWindow);
        if (rom is not null)
        {
            AddRom(rom);
        }
    }

    public Vga Vga { get; }

    /// <inheritdoc/>
    public override IEnumerable<IUnit> Units => [this, Vga];

    /// <summary>Claims the ports that do not move.</summary>
    public void MapPorts(PortSpace ports)
    {
        ArgumentNullException.ThrowIfNull(ports);
        ports.Map(0x3B4, 7, Vga.MonochromePorts);
        ports.Map(0x3C0, 16, Vga.CommonPorts);
        ports.Map(0x3D4, 7, Vga.ColorPorts);
        ports.Map(0x1CE, 3, Vga.VbePorts);
    }
}
