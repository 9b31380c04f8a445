using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Pci;

/// <summary>PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structures".</summary>
public sealed class MsixTableTests
{
    private const ushort Enable = 0x8000;
    private const ushort FunctionMask = 0x4000;
    private const uint Masked = 1;

    private readonly RecordingSink _sink = new();
    private readonly InterruptLine _line;
    private readonly TestFunction _function = new();
    private readonly MsixTable _table;
    private readonly int _capability;

    public MsixTableTests()
    {
        RecordingSink links = new();
        _line = links.Line();
        PciBus bus = new(new AddressSpace(), _sink, _ => _line);
        bus.Plug(1, _function);
        _table = _function.Msix!;
        _capability = (int)_function.ReadConfig(_function.VendorCapability + 1, AccessWidth.Byte);
    }

    [Fact]
    public void Capability_Registers_DescribeTableAndPendingBits()
    {
        Assert.Equal(TestFunction.Vectors - 1U, _function.ReadConfig(_capability + 2, AccessWidth.Word));
        Assert.Equal(1U, _function.ReadConfig(_capability + 4, AccessWidth.Dword));
        Assert.Equal(MsixTable.PendingOffset | 1U, _function.ReadConfig(_capability + 8, AccessWidth.Dword));

        _function.WriteConfig(_capability + 2, AccessWidth.Word, 0xFFFF);

        Assert.Equal(Enable | FunctionMask | (TestFunction.Vectors - 1U), _function.ReadConfig(_capability + 2, AccessWidth.Word));
    }

    [Fact]
    public void Reset_EveryEntry_IsMasked()
    {
        Assert.All(Enumerable.Range(0, TestFunction.Vectors), vector => Assert.Equal(Masked, Read((vector * 16) + 12)));
    }

    [Fact]
    public void Signal_Enabled_SendsAddressAndData()
    {
        Program(1, 0x0000_0001_FEE0_3000, 0x4051, control: 0);
        Control(Enable);

        _table.Signal(1);

        Assert.Equal((0x0000_0001_FEE0_3000UL, 0x4051U), Assert.Single(_sink.Messages));
    }

    [Fact]
    public void Signal_Disabled_SendsNothing()
    {
        Program(1, 0xFEE0_0000, 0x51, control: 0);

        _table.Signal(1);

        Assert.Empty(_sink.Messages);
    }

    [Theory]
    [InlineData(TestFunction.Vectors)]
    [InlineData(MsixTable.NoVector)]
    public void Signal_VectorOutsideTheTable_IsIgnored(int vector)
    {
        Control(Enable);

        _table.Signal((ushort)vector);

        Assert.Empty(_sink.Messages);
        Assert.Equal(0U, Read(MsixTable.PendingOffset));
    }

    [Fact]
    public void Signal_EntryMasked_IsPendingUntilUnmasked()
    {
        Program(2, 0xFEE0_1000, 0x61, Masked);
        Control(Enable);
        _table.Signal(2);
        _table.Signal(2);
        Assert.Empty(_sink.Messages);
        Assert.Equal(4U, Read(MsixTable.PendingOffset));

        Write((2 * 16) + 12, 0);

        Assert.Equal((0xFEE0_1000UL, 0x61U), Assert.Single(_sink.Messages));
        Assert.Equal(0U, Read(MsixTable.PendingOffset));
    }

    [Fact]
    public void Signal_FunctionMasked_IsPendingUntilUnmasked()
    {
        Program(0, 0xFEE0_1000, 0x60, control: 0);
        Program(1, 0xFEE0_1000, 0x61, Masked);
        Control(Enable | FunctionMask);
        _table.Signal(0);
        _table.Signal(1);
        Assert.Equal(3U, Read(MsixTable.PendingOffset));

        Control(Enable);

        Assert.Equal((0xFEE0_1000UL, 0x60U), Assert.Single(_sink.Messages));
        Assert.Equal(2U, Read(MsixTable.PendingOffset));
    }

    [Fact]
    public void Signal_MessageChangedWhileMasked_SendsTheNewOne()
    {
        Program(0, 0xFEE0_1000, 0x60, Masked);
        Control(Enable);
        _table.Signal(0);

        Program(0, 0xFEE0_2000, 0x70, control: 0);

        Assert.Equal((0xFEE0_2000UL, 0x70U), Assert.Single(_sink.Messages));
    }

    [Fact]
    public void Table_Access_HonoursWidths()
    {
        _table.WriteMmio(0, AccessWidth.Qword, 0x1122_3344_FEE0_0000);

        Assert.Equal(0x1122_3344_FEE0_0000UL, _table.ReadMmio(0, AccessWidth.Qword));
        Assert.Equal(0x1122_3344UL, _table.ReadMmio(4, AccessWidth.Dword));
        Assert.Equal(0x22UL, _table.ReadMmio(6, AccessWidth.Byte) & 0xFF);
        _table.WriteMmio(4, AccessWidth.Byte, 0);
        _table.WriteMmio(2, AccessWidth.Dword, 0);
        Assert.Equal(0x1122_3344_FEE0_0000UL, _table.ReadMmio(0, AccessWidth.Qword));
    }

    [Fact]
    public void Table_PendingBits_AreReadOnly()
    {
        Control(Enable);
        Write(MsixTable.PendingOffset, 0xFFFF_FFFF);

        Assert.Equal(0U, Read(MsixTable.PendingOffset));
        Assert.Empty(_sink.Messages);
    }

    [Fact]
    public void Enable_IntxActive_DropsTheLine()
    {
        _function.Interrupt(true);
        Assert.True(_line.IsHigh);

        Control(Enable);
        Assert.False(_line.IsHigh);

        Control(0);
        Assert.True(_line.IsHigh);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(129)]
    public void Constructor_BadVectorCount_Throws(int vectors)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new MsixTable(vectors));
    }

    [Fact]
    public void Table_RandomAccess_NeverThrows()
    {
        Random random = new(0x11);
        for (int i = 0; i < 100_000; i++)
        {
            AccessWidth width = (AccessWidth)(1 << random.Next(4));
            _table.WriteMmio((ulong)random.Next(0x1000), width, (ulong)random.NextInt64());
            _table.ReadMmio((ulong)random.Next(0x1000), width);
            _table.Signal((ushort)random.Next(4));
            Control((ushort)random.Next(0x10000));
            _sink.Messages.Clear();
        }

        Assert.Equal(TestFunction.Vectors, _table.Vectors);
    }

    private void Program(int vector, ulong address, uint data, uint control)
    {
        Write(vector * 16, (uint)address);
        Write((vector * 16) + 4, (uint)(address >> 32));
        Write((vector * 16) + 8, data);
        Write((vector * 16) + 12, control);
    }

    private uint Read(int offset) => (uint)_table.ReadMmio((ulong)offset, AccessWidth.Dword);

    private void Write(int offset, uint value) => _table.WriteMmio((ulong)offset, AccessWidth.Dword, value);

    private void Control(ushort value) => _function.WriteConfig(_capability + 2, AccessWidth.Word, value);
}
