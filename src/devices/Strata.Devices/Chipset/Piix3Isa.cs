using Strata.Devices.Pci;

namespace Strata.Devices.Chipset;

/// <summary>
/// The bridge to ISA, as far as it does something here: it routes PCI's interrupt links to ISA interrupts. Intel 82371SB (PIIX3) data
/// sheet, "PIRQRC[A:D]—PIRQx Route Control Registers".
/// <code>
/// 60h … 63h  7 not routed  3..0 ISA interrupt 3..7, 9..12, 14, 15        4Ch, 4Eh, 69h, 76h …  kept, without effect
/// </code>
/// </summary>
public sealed class Piix3Isa : PciFunction
{
    private const int RouteControl = 0x60;
    private const byte NotRouted = 0x80;
    private const int Links = 4;

    private readonly PciInterruptRouter _router;

    public Piix3Isa(PciInterruptRouter router)
        : base(new PciIdentity(0x8086, 0x7000, 0x060100, 0, 0x1AF4, 0x1100))
    {
        _router = router;
        AddRegisters(0x4C, [0x4D, 0, 0x03, 0], [0xFF, 0, 0xFF, 0x01]);
        AddRegisters(RouteControl, [NotRouted, NotRouted, NotRouted, NotRouted], [0x8F, 0x8F, 0x8F, 0x8F]);
        AddRegisters(0x69, [0x02], [0xFF]);
        AddRegisters(0x70, [0x80, 0x80], [0xEF, 0xEF]);
        AddRegisters(0x76, [0x0C, 0x0C], [0x8F, 0x8F]);
        AddRegisters(0x78, [0x02, 0], [0xFF, 0xFF]);
        AddRegisters(0x82, [0], [0x0B]);
        AddRegisters(0xA0, [0x08], [0x1F]);
    }

    /// <summary>PIRQA is the link of pin A in slot 1, which is our link 1.</summary>
    protected override void ApplyConfig(bool isLoading)
    {
        Span<int?> routes = stackalloc int?[Links];
        for (int i = 0; i < Links; i++)
        {
            byte value = Config[RouteControl + i];
            routes[(i + 1) % Links] = (value & NotRouted) == 0 ? value & 0xF : null;
        }

        _router.Route(routes, isLoading);
    }
}
