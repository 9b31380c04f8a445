using System.Text;
using Iced.Intel;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Display;
using Strata.Core.Storage;
using Strata.Devices.Serial;
using Strata.Devices.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Boot;
using Strata.Machines.Engines;
using Strata.Machines.Tests.Boards;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.Machines.Tests.Firmware;

/// <summary>A machine that begins at its reset vector, with a ROM that is assembled here.</summary>
public sealed class FirmwareBoardTests : ISerialBackend
{
    private const ushort RomSegment = 0xF000;
    private const int RomSize = 64 << 10;

    private readonly StringBuilder _printed = new(); // under itself

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task Start_Rom_RunsAtTheResetVectorAndCopiesItselfIntoRam(string engine)
    {
        using PcBoard board = Create(engine, c =>
        {
            PciByte(c, 0x59, 0x20); // reads from the ROM, writes to RAM
            c.mov(ax, RomSegment);
            c.mov(ds, ax);
            c.mov(es, ax);
            c.xor(si, si);
            c.xor(di, di);
            c.mov(cx, 0x8000);
            c.cld();
            c.rep.movsw();
            PciByte(c, 0x59, 0x30); // and all of it from RAM
            c.mov(__byte_ptr[0], 0x5A);
            c.mov(al, __byte_ptr[0]);
            Label fails = c.CreateLabel();
            c.cmp(al, 0x5A);
            c.jne(fails);
            Print(c, 'S');
            c.Label(ref fails);
            Exit(c, 7);
        });

        board.Start();
        Machines.Boards.MachineExit exit = await board.Exit.WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal((MachineExitReason.DebugExit, 15), (exit.Reason, exit.Code));
        Assert.Equal("S", Printed);
        Assert.Equal(0x5A, board.Ram.Slice(0xF0000, 1)[0]);
    }

    [Fact]
    public async Task Reset_RamShownOverTheBus_IsHiddenAgain()
    {
        using PcBoard board = Create("translator", c =>
        {
            // Nothing is at E0000 until RAM is shown there; what is written then is not seen behind a reset.
            c.mov(ax, 0xE000);
            c.mov(ds, ax);
            c.mov(al, __byte_ptr[0]);
            c.mov(dx, 0x3F8);
            c.@out(dx, al);
            PciByte(c, 0x5E, 0x33);
            c.mov(__byte_ptr[0], (byte)'x');
            c.mov(al, 0xFE);
            c.@out(0x64, al);
            Label wait = c.CreateLabel();
            c.Label(ref wait);
            c.jmp(wait);
        });

        board.Start();
        await GuestBoard.WaitUntilAsync(() => Printed.Length >= 3);

        Assert.StartsWith("???", Printed, StringComparison.Ordinal); // FFh, which is no character
        Assert.Equal((byte)'x', board.Ram.Slice(0xE0000, 1)[0]);
    }

    [Fact]
    public void LoadState_OfAnotherMachine_HasItsShadowAndItsPicture()
    {
        using PcBoard first = Create("interpreter", c => c.hlt());
        first.Pause();
        first.Ports.Write(0xCF8, Core.Bus.AccessWidth.Dword, 0x8000_0058);
        first.Ports.Write(0xCFD, Core.Bus.AccessWidth.Byte, 0x30);
        first.Ports.Write(0x1CE, Core.Bus.AccessWidth.Word, 1);
        first.Ports.Write(0x1CF, Core.Bus.AccessWidth.Word, 320);
        IReadOnlyList<UnitRecord> records = first.SaveState();
        using PcBoard second = Create("interpreter", c => c.hlt());
        second.Pause();

        second.LoadState(records);

        Assert.True(second.Memory.TryGetRamPage(0xF0000, out RamPage page) && ReferenceEquals(page.Memory, second.Ram));
        Assert.Equal(320u, second.Ports.Read(0x1CF, Core.Bus.AccessWidth.Word));
        Assert.All(
            records.Zip(second.SaveState()),
            pair => Assert.True(pair.First.Bytes.Span.SequenceEqual(pair.Second.Bytes.Span), pair.First.UnitName));
    }

    [Fact]
    public void Screen_OfAMachineWithFirmware_IsBlackBeforeItsStart()
    {
        using PcBoard board = Create("interpreter", c => c.hlt());
        ScreenPicture picture = new();

        board.Screen!.Update(picture, []);

        Assert.False(picture.Pixels.ContainsAnyExcept(0u));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void Rom_TooSmall_IsNoFirmware(int size) =>
        Assert.Throws<BootImageException>(() => new PcBoard(Options("interpreter", new byte[size])).Dispose());

    [Fact]
    public void Units_OfABoardWithFirmware_AreThoseOfAPc()
    {
        using PcBoard board = Create("interpreter", c => c.hlt());

        string[] names = [.. board.Units.Select(unit => unit.UnitName)];

        string[] expected = ["a20", "vga", "ide0", "ide1", "pci/00.0", "pci/01.0", "pci/01.1", "pci/01.3", "pci/02.0", "i8042"];
        Assert.Empty(expected.Except(names));
        Assert.DoesNotContain("crtc", names);
    }

    [Theory]
    [InlineData(0, 0x00, 0x06)]
    [InlineData(1, 0x40, 0x07)]
    [InlineData(2, 0x43, 0x47)]
    public void Cmos_OfABoardWithDiskettes_TellsTheDrives(int drives, int types, int equipment)
    {
        IBlockBackend[] disks = [new MemoryDisk(2880), new MemoryDisk(1440)];
        using PcBoard board = new(Options("interpreter", new byte[RomSize], disks[..drives]));
        board.Pause();

        int Cmos(byte index)
        {
            board.Ports.Write(0x70, Core.Bus.AccessWidth.Byte, index);
            return (int)board.Ports.Read(0x71, Core.Bus.AccessWidth.Byte);
        }

        Assert.Equal((types, equipment), (Cmos(0x10), Cmos(0x14)));
        Assert.Equal(drives > 0, board.Units.Any(unit => unit.UnitName == "floppy"));
        Assert.Equal(drives > 0, board.Units.Any(unit => unit.UnitName == "dma"));
    }

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
        lock (_printed)
        {
            _printed.Append(Encoding.ASCII.GetString(bytes));
        }
    }

    private string Printed
    {
        get
        {
            lock (_printed)
            {
                return _printed.ToString();
            }
        }
    }

    private PcBoard Create(string engine, Action<Assembler> program)
    {
        Assembler c = new(16);
        program(c);
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), 0x100);
        byte[] rom = new byte[RomSize];
        code.ToArray().CopyTo(rom, 0x100);
        ((byte[])[0xEA, 0x00, 0x01, 0x00, 0xF0]).CopyTo(rom, RomSize - 16); // jmp F000:0100
        return new PcBoard(Options(engine, rom));
    }

    private PcBoardOptions Options(string engine, byte[] rom, params IBlockBackend[] diskettes) => new()
    {
        MemorySize = 16 << 20,
        Engine = EngineRegistry.Find(engine)!,
        Serial = this,
        StartTime = DateTime.UnixEpoch,
        Kernel = null,
        Firmware = new PcFirmwareOptions { Rom = rom, VideoRom = new byte[4096], Floppies = diskettes },
    };

    /// <summary>Writes a byte of the host bridge's configuration space.</summary>
    private static void PciByte(Assembler c, byte register, byte value)
    {
        c.mov(dx, 0xCF8);
        c.mov(eax, 0x8000_0000 | (register & ~3u));
        c.@out(dx, eax);
        c.mov(dx, (ushort)(0xCFC + (register & 3)));
        c.mov(al, value);
        c.@out(dx, al);
    }

    private static void Print(Assembler c, char character)
    {
        c.mov(dx, 0x3F8);
        c.mov(al, (byte)character);
        c.@out(dx, al);
    }

    private static void Exit(Assembler c, byte code)
    {
        c.mov(al, code);
        c.@out(0xF4, al);
        c.hlt();
    }
}
