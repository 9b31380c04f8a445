using Strata.Core.Bus;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Pci;

/// <summary>Devices with several functions. PCI Local Bus Specification 3.0, "Header Type" and "Interrupt Pin".</summary>
public sealed class PciMultiFunctionTests
{
    private const int Slot = 3;

    private readonly RecordingSink _links = new();
    private readonly PciBus _bus;

    public PciMultiFunctionTests() => _bus = new PciBus(new AddressSpace(), new RecordingSink(), link => _links.Line(link));

    [Fact]
    public void Scan_TwoFunctions_FindsBoth()
    {
        _bus.Plug(Slot, new TestFunction());
        _bus.Plug(Slot, new TestFunction(), 3);
        _bus.Plug(5, new TestFunction());

        Assert.Equal([(0, 0), (Slot, 0), (Slot, 3), (5, 0)], Scan());
    }

    [Fact]
    public void HeaderType_OneFunction_SaysSo()
    {
        _bus.Plug(Slot, new TestFunction());
        Assert.Equal(0U, Read(Slot, 0, 0x0E, AccessWidth.Byte));

        _bus.Plug(Slot, new TestFunction(), 1);
        Assert.Equal(0x80U, Read(Slot, 0, 0x0E, AccessWidth.Byte));
    }

    [Fact]
    public void HeaderType_AfterReset_StillSaysSo()
    {
        TestFunction first = new();
        _bus.Plug(Slot, first);
        _bus.Plug(Slot, new TestFunction(), 1);

        first.Reset();

        Assert.Equal(0x80U, Read(Slot, 0, 0x0E, AccessWidth.Byte));
    }

    [Fact]
    public void Config_OfOneFunction_IsNotTheOthers()
    {
        _bus.Plug(Slot, new TestFunction());
        _bus.Plug(Slot, new TestFunction(), 1);
        Select(Slot, 1, 0x3C);

        _bus.WritePort(4, AccessWidth.Byte, 7);

        Assert.Equal((0U, 7U), (Read(Slot, 0, 0x3C, AccessWidth.Byte), Read(Slot, 1, 0x3C, AccessWidth.Byte)));
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 0)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    public void Interrupt_Pin_LeadsToItsLink(byte pin, int link)
    {
        TestFunction function = new(pin);
        _bus.Plug(Slot, new TestFunction());
        _bus.Plug(Slot, function, 1);

        function.Interrupt(true);

        Assert.Equal([(link, true)], _links.Levels);
    }

    [Fact]
    public void Plug_WithoutFunctionZero_Throws() => Assert.Throws<InvalidOperationException>(() => _bus.Plug(Slot, new TestFunction(), 1));

    [Fact]
    public void Plug_NumberTaken_Throws()
    {
        _bus.Plug(Slot, new TestFunction());
        _bus.Plug(Slot, new TestFunction(), 1);

        Assert.Throws<InvalidOperationException>(() => _bus.Plug(Slot, new TestFunction(), 1));
    }

    [Theory]
    [InlineData(32, 0)]
    [InlineData(-1, 0)]
    [InlineData(Slot, 8)]
    [InlineData(Slot, -1)]
    public void Plug_NoSuchPlace_Throws(int slot, int number) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => _bus.Plug(slot, new TestFunction(), number));

    /// <summary>As an operating system looks for functions: further ones only where the header type of the first says so.</summary>
    private IEnumerable<(int Slot, int Number)> Scan()
    {
        for (int slot = 0; slot < 32; slot++)
        {
            bool isThere = Read(slot, 0, 0) != uint.MaxValue;
            int functions = isThere && (Read(slot, 0, 0x0E, AccessWidth.Byte) & 0x80) != 0 ? 8 : 1;
            for (int number = 0; isThere && number < functions; number++)
            {
                if (Read(slot, number, 0) != uint.MaxValue)
                {
                    yield return (slot, number);
                }
            }
        }
    }

    private uint Read(int slot, int number, int offset, AccessWidth width = AccessWidth.Dword)
    {
        Select(slot, number, offset);
        return _bus.ReadPort((ushort)(4 + (offset & 3)), width) & (uint)width.Mask();
    }

    private void Select(int slot, int number, int offset) =>
        _bus.WritePort(0, AccessWidth.Dword, 0x8000_0000 | (uint)(slot << 11) | (uint)(number << 8) | (uint)(offset & 0xFC));
}
