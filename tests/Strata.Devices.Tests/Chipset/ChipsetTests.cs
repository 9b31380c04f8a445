using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Core.Tests.State;
using Strata.Devices.Chipset;
using Strata.Devices.Firmware;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Chipset;

/// <summary>The gate on line 20, the routing of PCI's interrupts, the place of the power ports, the firmware's log.</summary>
public sealed class ChipsetTests : IDisposable
{
    private readonly GuestMemory _ram = new(4 << 20);
    private readonly AddressSpace _memory = new();
    private readonly PortSpace _ports = new();
    private readonly RecordingControl _control = new();
    private readonly RecordingSink _apic = new();
    private readonly RecordingSink _isa = new();

    public ChipsetTests() => _memory.MapRam(0, _ram, 0, _ram.Size);

    [Fact]
    public void A20_Closed_TheSecondMegabyteIsTheFirst()
    {
        A20Gate gate = new(_memory, _control);
        _ram.Slice(0x500, 1)[0] = 1;
        _ram.Slice(0x100500, 1)[0] = 2;

        gate.Out(0, 0);
        Assert.Equal((1UL, 0U), (_memory.Read(0x100500, AccessWidth.Byte), gate.In(0) & 2U));

        gate.Set(true);
        Assert.Equal((2UL, 2U), (_memory.Read(0x100500, AccessWidth.Byte), gate.In(0) & 2U));
        Assert.Empty(_control.Requests);
    }

    [Fact]
    public void A20_FastResetBitRises_Resets()
    {
        A20Gate gate = new(_memory, _control);

        gate.Out(0, 3);
        gate.Out(0, 3);

        Assert.Equal(["reset"], _control.Requests);
    }

    [Fact]
    public void A20_Closed_HoldsTheContract()
    {
        A20Gate gate = new(_memory, _control);
        gate.Out(0, 0x40);

        UnitContract.Check(gate);
    }

    [Fact]
    public void Router_LinkRoutedToIsa_ReachesBothControllers()
    {
        PciInterruptRouter router = new(link => _apic.Line(16 + link), irq => irq is 10 or 11 ? _isa.Line(irq) : null);
        Piix3Isa bridge = Plug(router);

        bridge.WriteConfig(0x61, AccessWidth.Byte, 11); // PIRQB: link 2
        router.Line(2).Set(true);

        Assert.Equal([(18, true)], _apic.Levels);
        Assert.Equal([(11, true)], _isa.Levels);
    }

    [Fact]
    public void Router_TwoLinksOnOneInterrupt_FallsWithTheLast()
    {
        PciInterruptRouter router = new(link => _apic.Line(16 + link), irq => irq == 10 ? _isa.Line(irq) : null);
        router.Route([10, 10, null, 3], isLoading: false);
        (Core.Interrupts.InterruptLine first, Core.Interrupts.InterruptLine second) = (router.Line(0), router.Line(1));

        first.Set(true);
        second.Set(true);
        router.Line(3).Set(true); // routed to where no wire is
        first.Set(false);
        Assert.Equal([(10, true)], _isa.Levels);
        second.Set(false);

        Assert.Equal([(10, true), (10, false)], _isa.Levels);
    }

    [Fact]
    public void Router_LoadedLevel_MakesNoEdge()
    {
        PciInterruptRouter router = new(link => _apic.Line(16 + link), irq => irq == 10 ? _isa.Line(irq) : null);
        router.Route([10, null, null, null], isLoading: true);

        Core.Interrupts.InterruptLine line = router.Line(0);
        line.Restore(true);
        Assert.Empty(_isa.Levels);
        line.Set(false);

        Assert.Equal([(10, false)], _isa.Levels);
    }

    [Fact]
    public void Power_BaseWrittenAndEnabled_IsWhereThePortsAre()
    {
        A20Gate registers = new(_memory, _control); // any device of ports
        Piix4Power power = new(_ports, registers, 12);
        power.WriteConfig(0x40, AccessWidth.Dword, 0xB001);
        Assert.Equal(0xFFU, _ports.Read(0xB000, AccessWidth.Byte));

        power.WriteConfig(0x80, AccessWidth.Byte, 1);
        Assert.Equal(2U, _ports.Read(0xB000, AccessWidth.Byte));
        power.WriteConfig(0x40, AccessWidth.Dword, 0x0601);

        Assert.Equal((0xFFU, 2U), (_ports.Read(0xB000, AccessWidth.Byte), _ports.Read(0x600, AccessWidth.Byte)));
    }

    [Fact]
    public void Power_SystemManagement_LooksSetUp() =>
        Assert.Equal(2U, new Piix4Power(_ports, new A20Gate(_memory, _control), 12).ReadConfig(0x5B, AccessWidth.Byte));

    [Fact]
    public void DebugPort_Lines_ComeWhole()
    {
        List<string> lines = [];
        DebugPort port = new(lines.Add);

        Assert.Equal(0xE9, port.In(0));
        foreach (char character in "one\ntw\to\nhalf")
        {
            port.Out(0, character);
        }

        Assert.Equal(["one", "tw?o"], lines);
    }

    [Fact]
    public void DebugPort_LineWithoutEnd_IsCut()
    {
        List<string> lines = [];
        DebugPort port = new(lines.Add);

        for (int i = 0; i < 3000; i++)
        {
            port.Out(0, 'x');
        }

        Assert.Equal([1024, 1024], lines.Select(line => line.Length));
    }

    public void Dispose() => _ram.Dispose();

    private Piix3Isa Plug(PciInterruptRouter router)
    {
        Piix3Isa bridge = new(router);
        new Devices.Pci.PciBus(_memory, new RecordingSink(), link => router.Line(link), _ports).Plug(1, bridge);
        return bridge;
    }
}
