using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Pci;

/// <summary>
/// BARs of ports and of memory, and the expansion ROM. PCI Local Bus Specification 3.0, "Base Addresses" and "Expansion ROM Base Address
/// Register".
/// </summary>
public sealed class PciBarTests : IDisposable
{
    private const int Command = 0x04;
    private const int Rom = 0x30;
    private const uint PortsEnable = 1;
    private const uint MemoryEnable = 2;

    private readonly AddressSpace _memory = new();
    private readonly PortSpace _ports = new();
    private readonly GuestMemory _video = new(0x10000);
    private readonly GuestMemory _program = new(0x4000);
    private readonly BarFunction _function;

    public PciBarTests()
    {
        RecordingSink links = new();
        _function = new BarFunction(_video, _program);
        new PciBus(_memory, links, link => links.Line(link), _ports).Plug(2, _function);
    }

    [Theory]
    [InlineData(0x10, 0xFFFF_FFF1)]
    [InlineData(0x14, 0xFFFF_0008)]
    [InlineData(Rom, 0xFFFF_C001)]
    public void Bar_AllOnesWritten_TellsSizeAndKind(int offset, uint expected)
    {
        _function.WriteConfig(offset, AccessWidth.Dword, uint.MaxValue);

        Assert.Equal(expected, _function.ReadConfig(offset, AccessWidth.Dword));
    }

    [Fact]
    public void IoBar_Enabled_LeadsToTheDeviceByOffset()
    {
        _function.WriteConfig(0x10, AccessWidth.Dword, 0xC040);
        Assert.Equal(0xFFU, _ports.Read(0xC043, AccessWidth.Byte));

        _function.WriteConfig(Command, AccessWidth.Word, PortsEnable);

        Assert.Equal(3U, _ports.Read(0xC043, AccessWidth.Byte));
    }

    [Fact]
    public void IoBar_MovedAndDisabled_LeavesItsOldPlace()
    {
        _function.WriteConfig(0x10, AccessWidth.Dword, 0xC040);
        _function.WriteConfig(Command, AccessWidth.Word, PortsEnable);

        _function.WriteConfig(0x10, AccessWidth.Dword, 0xD000);
        Assert.Equal((0xFFU, 3U), (_ports.Read(0xC043, AccessWidth.Byte), _ports.Read(0xD003, AccessWidth.Byte)));
        _function.WriteConfig(Command, AccessWidth.Word, 0);
        Assert.Equal(0xFFU, _ports.Read(0xD003, AccessWidth.Byte));
    }

    [Theory]
    [InlineData(0xFFF8_0000u)] // beyond the ports
    [InlineData(0x0060u)]      // somebody's
    public void IoBar_PlaceThatIsNoPlace_StaysUnmapped(uint address)
    {
        BarFunction.Ports other = new();
        _ports.Map(0x64, 1, other);
        _function.WriteConfig(0x10, AccessWidth.Dword, address);

        _function.WriteConfig(Command, AccessWidth.Word, PortsEnable);

        Assert.Null(_function.Inspect().Bars[0].Address);
        Assert.Equal(0U, _ports.Read(0x64, AccessWidth.Byte));
    }

    [Fact]
    public void RamBar_Enabled_ShowsTheMemory()
    {
        _function.WriteConfig(0x14, AccessWidth.Dword, 0xE000_0000);
        _function.WriteConfig(Command, AccessWidth.Word, MemoryEnable);

        _memory.Write(0xE000_0010, AccessWidth.Dword, 0x1234_5678);

        Assert.Equal(0x78, _video.Slice(0x10, 1)[0]);
        Assert.True(_memory.TryGetRamPage(0xE000_0000, out _));
    }

    [Fact]
    public void Rom_NeedsItsOwnBitBesideTheCommand()
    {
        _program.Slice(0, 2)[0] = 0x55;
        _function.WriteConfig(Command, AccessWidth.Word, MemoryEnable);
        _function.WriteConfig(Rom, AccessWidth.Dword, 0xE100_0000);
        Assert.Equal(0xFFUL, _memory.Read(0xE100_0000, AccessWidth.Byte));

        _function.WriteConfig(Rom, AccessWidth.Dword, 0xE100_0001);
        _memory.Write(0xE100_0000, AccessWidth.Byte, 0);

        Assert.Equal(0x55UL, _memory.Read(0xE100_0000, AccessWidth.Byte));
    }

    [Fact]
    public void Reset_EverythingMapped_IsGone()
    {
        _function.WriteConfig(0x10, AccessWidth.Dword, 0xC040);
        _function.WriteConfig(0x14, AccessWidth.Dword, 0xE000_0000);
        _function.WriteConfig(Rom, AccessWidth.Dword, 0xE100_0001);
        _function.WriteConfig(Command, AccessWidth.Word, PortsEnable | MemoryEnable);

        _function.Reset();

        Assert.All(_function.Inspect().Bars, bar => Assert.Null(bar.Address));
        Assert.Equal(0xFFU, _ports.Read(0xC043, AccessWidth.Byte));
        Assert.False(_memory.TryGetRamPage(0xE000_0000, out _));
    }

    public void Dispose()
    {
        _video.Dispose();
        _program.Dispose();
    }

    private sealed class BarFunction : PciFunction
    {
        public BarFunction(GuestMemory video, GuestMemory program)
            : base(new PciIdentity(0x1234, 0x1111, 0x030000, 2))
        {
            AddIoBar(0, 16, new Ports());
            AddRamBar(1, video);
            AddRom(program);
        }

        public sealed class Ports : IPortDevice
        {
            public uint ReadPort(ushort offset, AccessWidth width) => offset;

            public void WritePort(ushort offset, AccessWidth width, uint value)
            {
            }
        }
    }
}
