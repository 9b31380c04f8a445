using Strata.Core.Bus;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Pci;

/// <summary>PCI Local Bus Specification 3.0, "Configuration Space" and "Message Signaled Interrupts".</summary>
public sealed class PciTests
{
    private const int Slot = 3;
    private const int Command = 0x04;
    private const int Bar0 = 0x10;
    private const int Bar1 = 0x14;
    private const uint MemoryEnable = 2;
    private const uint InterruptDisable = 1 << 10;

    private readonly AddressSpace _memory = new();
    private readonly RecordingSink _links = new();
    private readonly RecordingSink _msi = new();
    private readonly PciBus _bus;
    private readonly TestFunction _function = new();

    public PciTests()
    {
        _bus = new PciBus(_memory, _msi, link => _links.Line(link));
        _bus.Plug(Slot, _function);
    }

    [Fact]
    public void Config_Identity_IsInTheHeader()
    {
        Assert.Equal(0x5678_1234U, Read(0x00));
        Assert.Equal(0x0203_0107U, Read(0x08));
        Assert.Equal(0xBBBB_AAAAU, Read(0x2C));
        Assert.Equal(0x01U, Read(0x3C, AccessWidth.Word) >> 8);
        Assert.Equal(0U, Read(0x0C));
    }

    [Fact]
    public void Config_HostBridge_IsInSlotZero()
    {
        Select(0, 0, 0, 8);

        Assert.Equal(0x0600_00U, _bus.ReadPort(4, AccessWidth.Dword) >> 8);
    }

    [Theory]
    [InlineData(0, 4, 0)]
    [InlineData(0, Slot, 1)]
    [InlineData(1, Slot, 0)]
    [InlineData(255, 31, 7)]
    public void Config_NobodyThere_ReadsAllOnes(int bus, int slot, int function)
    {
        Select(bus, slot, function, 0);
        _bus.WritePort(4, AccessWidth.Dword, 0);

        Assert.Equal(uint.MaxValue, _bus.ReadPort(4, AccessWidth.Dword));
    }

    [Fact]
    public void Address_EnableClear_ReadsAllOnes()
    {
        _bus.WritePort(0, AccessWidth.Dword, Slot << 11);

        Assert.Equal(uint.MaxValue, _bus.ReadPort(4, AccessWidth.Dword));
    }

    [Fact]
    public void Address_Register_ReadsBackDwordsOnly()
    {
        _bus.WritePort(0, AccessWidth.Dword, 0x8000_1813);
        _bus.WritePort(0, AccessWidth.Byte, 0);

        Assert.Equal(0x8000_1810U, _bus.ReadPort(0, AccessWidth.Dword));
    }

    [Fact]
    public void Config_BytesAndWords_SeeTheirLanes()
    {
        Assert.Equal(0x34U, Read(0x00, AccessWidth.Byte));
        Assert.Equal(0x12U, Read(0x01, AccessWidth.Byte));
        Assert.Equal(0x5678U, Read(0x02, AccessWidth.Word));
        Assert.Equal(0x02U, Read(0x0B, AccessWidth.Byte));
    }

    [Fact]
    public void Config_ReadOnlyRegisters_IgnoreWrites()
    {
        foreach (int offset in (int[])[0x00, 0x08, 0x2C, 0x34])
        {
            uint before = Read(offset);
            Write(offset, ~before);
            Assert.Equal(before, Read(offset));
        }
    }

    [Fact]
    public void Config_InterruptLine_IsScratchForFirmware()
    {
        Write(0x3C, 0xFFFF_FF0B);

        Assert.Equal(0x010BU, Read(0x3C, AccessWidth.Word));
    }

    [Theory]
    [InlineData(Bar0, TestFunction.BarSize)]
    [InlineData(Bar1, MsixTable.BarSize)]
    public void Bar_Sizing_ReadsTheSizeMask(int bar, uint size)
    {
        Write(Command, MemoryEnable);
        Write(bar, uint.MaxValue);

        Assert.Equal(~(size - 1), Read(bar));
        Assert.True(_memory.IsFree(0, ulong.MaxValue));
    }

    [Fact]
    public void Bar_NotImplemented_ReadsZero()
    {
        Write(0x18, uint.MaxValue);

        Assert.Equal(0U, Read(0x18));
    }

    [Fact]
    public void Bar_AddressAndEnable_MapAndMove()
    {
        Write(Bar0, 0xE000_0000);
        Assert.True(_memory.IsFree(0xE000_0000, TestFunction.BarSize));

        Write(Command, MemoryEnable);
        Assert.Equal(0x1234UL, _memory.Read(0xE000_1234, AccessWidth.Word));

        Write(Bar0, 0xE100_0000);
        Assert.Equal(0xFFFFUL, _memory.Read(0xE000_1234, AccessWidth.Word));
        Assert.Equal(0x1234UL, _memory.Read(0xE100_1234, AccessWidth.Word));

        Write(Command, 0);
        Assert.Equal(0xFFFFUL, _memory.Read(0xE100_1234, AccessWidth.Word));
    }

    [Fact]
    public void Bar_PlaceTaken_StaysUnmapped()
    {
        TestFunction other = new();
        _bus.Plug(4, other);
        Write(Bar0, 0xE000_0000);
        Write(Command, MemoryEnable);

        other.WriteConfig(Bar0, AccessWidth.Dword, 0xE000_0000);
        other.WriteConfig(Command, AccessWidth.Word, MemoryEnable);
        Write(Command, 0);

        Assert.Equal(0xFFUL, _memory.Read(0xE000_0000, AccessWidth.Byte));
        other.WriteConfig(Command, AccessWidth.Word, MemoryEnable);
        Assert.Equal(0UL, _memory.Read(0xE000_0000, AccessWidth.Byte));
    }

    [Fact]
    public void Capabilities_List_IsLinkedAndWritableWhereAllowed()
    {
        Assert.Equal(0x10U, Read(0x06, AccessWidth.Word) & 0x10);
        int first = (int)Read(0x34, AccessWidth.Byte);
        Assert.Equal(_function.VendorCapability, first);
        Assert.Equal(0x09U, Read(first, AccessWidth.Byte));
        int second = (int)Read(first + 1, AccessWidth.Byte);
        Assert.Equal(0x11U, Read(second, AccessWidth.Byte));
        Assert.Equal(0U, Read(second + 1, AccessWidth.Byte));

        _function.WriteConfig(first + 2, AccessWidth.Dword, 0xFFFF_FFFF);

        Assert.Equal([0x10U, 0xF1U, 0x12U, 0xFFU], Enumerable.Range(first + 2, 4).Select(offset => Read(offset, AccessWidth.Byte)));
    }

    [Fact]
    public void Intx_Line_FollowsLevelAndDisableBit()
    {
        _function.Interrupt(true);
        Assert.Equal([(Slot & 3, true)], _links.Levels);
        Assert.Equal(8U, Read(0x06, AccessWidth.Word) & 8);

        Write(Command, InterruptDisable);
        Assert.Equal((Slot & 3, false), _links.Levels[^1]);
        Assert.Equal(8U, Read(0x06, AccessWidth.Word) & 8);

        Write(Command, 0);
        Assert.Equal((Slot & 3, true), _links.Levels[^1]);

        _function.Interrupt(false);
        Assert.Equal((Slot & 3, false), _links.Levels[^1]);
        Assert.Equal(0U, Read(0x06, AccessWidth.Word) & 8);
    }

    [Fact]
    public void Plug_SlotTaken_Throws()
    {
        Assert.Throws<InvalidOperationException>(() => _bus.Plug(Slot, new TestFunction()));
    }

    [Fact]
    public void Ports_RandomConfigAccess_NeverThrows()
    {
        Random random = new(0xCF8);
        for (int i = 0; i < 100_000; i++)
        {
            Select(0, random.Next(5), 0, random.Next(256));
            AccessWidth width = (AccessWidth)(1 << random.Next(3));
            ushort port = (ushort)(4 + random.Next(4));
            _bus.WritePort(port, width, (uint)random.NextInt64(1L << 32));
            _bus.ReadPort(port, width);
            _function.Msix!.Signal((ushort)random.Next(5));
            _function.Interrupt((i & 1) != 0);
            _msi.Messages.Clear();
            _links.Levels.Clear();
        }

        Assert.Equal(0x5678_1234U, Read(0));
    }

    private uint Read(int offset, AccessWidth width = AccessWidth.Dword)
    {
        Select(0, Slot, 0, offset);
        return _bus.ReadPort((ushort)(4 + (offset & 3)), width) & (uint)width.Mask();
    }

    private void Write(int offset, uint value)
    {
        Select(0, Slot, 0, offset);
        _bus.WritePort(4, AccessWidth.Dword, value);
    }

    private void Select(int bus, int slot, int function, int offset) =>
        _bus.WritePort(
            0, AccessWidth.Dword, 0x8000_0000 | (uint)(bus << 16) | (uint)(slot << 11) | (uint)(function << 8) | (uint)(offset & 0xFC));
}
