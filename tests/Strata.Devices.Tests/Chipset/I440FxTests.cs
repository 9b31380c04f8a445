using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.Devices.Chipset;
using Strata.Devices.Pci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Chipset;

/// <summary>Intel 82441FX data sheet, "PAM—Programmable Attribute Map Registers".</summary>
public sealed class I440FxTests : IDisposable
{
    private const byte FromRom = 0xB0;
    private const byte FromRam = 0xA0;
    private const byte Written = 0x77;

    private readonly AddressSpace _memory = new();
    private readonly GuestMemory _ram = new(2 << 20);
    private readonly GuestMemory _rom = new(256 << 10);
    private readonly I440Fx _bridge;

    public I440FxTests()
    {
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _ram.Slice(0xC0000, 0x40000).Fill(FromRam);
        _rom.Slice(0, 256 << 10).Fill(FromRom);
        _bridge = new I440Fx(_memory, _ram, _rom);
        RecordingSink links = new();
        _ = new PciBus(_memory, links, link => links.Line(link), hostBridge: _bridge);
    }

    [Theory]
    [InlineData(0xF0000, FromRom)]
    [InlineData(0xE0000, FromRom)]
    [InlineData(0xC0000, 0xFF)] // the ROM is no longer than the bus's part of it
    [InlineData(0xDFFFF, 0xFF)]
    [InlineData(0xBFFFF, 0x00)]
    public void PowerOn_BelowOneMegabyte_TheBusShows(uint address, byte expected) =>
        Assert.Equal(expected, (byte)_memory.Read(address, AccessWidth.Byte));

    [Theory]
    [InlineData(0x59, 0x10, 0xF8000u, FromRam, FromRam)] // reads from RAM, writes to the ROM
    [InlineData(0x59, 0x20, 0xF8000u, FromRom, Written)]
    [InlineData(0x59, 0x30, 0xF8000u, Written, Written)]
    [InlineData(0x59, 0x00, 0xF8000u, FromRom, FromRam)]
    [InlineData(0x5A, 0x01, 0xC0000u, FromRam, FromRam)]
    [InlineData(0x5A, 0x02, 0xC0000u, 0xFF, Written)]
    [InlineData(0x5A, 0x30, 0xC7FFFu, Written, Written)]
    [InlineData(0x5F, 0x03, 0xEBFFFu, Written, Written)]
    [InlineData(0x5F, 0x30, 0xEC000u, Written, Written)]
    [InlineData(0x5E, 0x03, 0xE0000u, Written, Written)]
    public void Attributes_OfASegment_SayWhereReadsAndWritesGo(int register, byte value, uint address, byte seen, byte inRam)
    {
        _bridge.WriteConfig(register, AccessWidth.Byte, value);

        _memory.Write(address, AccessWidth.Byte, Written);

        Assert.Equal((seen, inRam), ((byte)_memory.Read(address, AccessWidth.Byte), _ram.Slice(address, 1)[0]));
    }

    [Fact]
    public void Attributes_OfOneSegment_LeaveItsNeighbours()
    {
        _bridge.WriteConfig(0x5E, AccessWidth.Byte, 0x30); // E4000–E7FFF

        Assert.Equal(
            [FromRom, FromRam, FromRam, FromRom],
            new uint[] { 0xE3FFF, 0xE4000, 0xE7FFF, 0xE8000 }.Select(address => (byte)_memory.Read(address, AccessWidth.Byte)));
    }

    [Fact]
    public void Reset_ShadowedRom_ShowsTheRomAgain()
    {
        _bridge.WriteConfig(0x59, AccessWidth.Dword, 0x3333_3330);

        _bridge.Reset();

        Assert.Equal(FromRom, (byte)_memory.Read(0xFFFF0, AccessWidth.Byte));
    }

    [Fact]
    public void LoadState_OfAShadowedRom_ShowsRam()
    {
        _bridge.WriteConfig(0x59, AccessWidth.Byte, 0x30);
        PciFunctionState state = _bridge.SaveState();
        _bridge.Reset();

        _bridge.LoadState(state);

        Assert.Equal(FromRam, (byte)_memory.Read(0xFFFF0, AccessWidth.Byte));
    }

    [Fact]
    public void Smram_Opened_ShowsRamOverTheDisplay()
    {
        _memory.Map(MemoryRegion.Hole(0xA0000, 0x20000));
        _ram.Slice(0xA0000, 1)[0] = 5;
        Assert.Equal(0xFFUL, _memory.Read(0xA0000, AccessWidth.Byte));

        _bridge.WriteConfig(0x72, AccessWidth.Byte, 0x4A);
        Assert.Equal(5UL, _memory.Read(0xA0000, AccessWidth.Byte));

        _bridge.WriteConfig(0x72, AccessWidth.Byte, 0x0A);
        Assert.Equal(0xFFUL, _memory.Read(0xA0000, AccessWidth.Byte));
    }

    public void Dispose()
    {
        _ram.Dispose();
        _rom.Dispose();
    }
}
