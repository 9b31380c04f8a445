using System.Buffers.Binary;
using System.Text;
using Iced.Intel;
using Strata.Core.Display;
using Strata.Core.Input;
using Strata.Core.Memory;
using Strata.Core.State;
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
    private const uint PowerFunction = 0x0B00; // of the address of configuration space: slot 1, function 3

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

        Assert.StartsWith("\u00FF\u00FF\u00FF", Printed, StringComparison.Ordinal);
        Assert.Equal((byte)'x', board.Ram.Slice(0xE0000, 1)[0]);
    }

    [Theory]
    [InlineData("interpreter", false)]
    [InlineData("translator", false)]
    [InlineData("translator", true)]
    public async Task Sleep_OfS3_KeepsMemoryAndItsShadowUntilAKeyOrTheButton(string engine, bool isKey)
    {
        using PcBoard board = Create(engine, SleepOnce);
        board.Start();
        await GuestBoard.WaitUntilAsync(() => board.IsSuspendedToMemory);
        board.Pause();
        board.Resume(); // it sleeps on
        Assert.True(board.IsAsleep);
        Assert.Equal("S", Printed);

        if (isKey)
        {
            board.Keyboard.Send(KeyCode.A, pressed: true);
        }
        else
        {
            board.PressPowerButton();
        }

        Machines.Boards.MachineExit exit = await board.Exit.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal((MachineExitReason.DebugExit, 1), (exit.Reason, exit.Code));
        Assert.Equal(isKey ? "SW\u0080" : "SW\u0081", Printed);
        Assert.Equal(0, board.Resets);
    }

    [Fact]
    public void Configuration_OfSleepStates_IsThatOfTheTables()
    {
        using PcBoard board = Create("interpreter", c => c.hlt());
        board.Pause();

        Assert.Equal([0x80, 0, 0, 0x81, 0x82, 0x85], ReadFile(board, "etc/system-states"));
        byte[] tables = ReadFile(board, "etc/acpi/tables");
        Assert.True(tables.AsSpan().IndexOf("\x08_S3_\x12"u8) > 0); // Name (_S3, Package
        Assert.True(tables.AsSpan().IndexOf("\x08_S4_\x12"u8) > 0);
    }

    /// <summary>SeaBIOS takes a sum away from what is there, OVMF replaces it: both come to the same from zero on.</summary>
    [Fact]
    public void Configuration_SumsThatFirmwareMakes_AreZeroBefore()
    {
        using PcBoard board = Create("interpreter", c => c.hlt());
        board.Pause();
        const uint addChecksum = 3;
        byte[][] sums = [.. ReadFile(board, "etc/table-loader").Chunk(128).Where(entry => BitConverter.ToUInt32(entry) == addChecksum)];

        Assert.Equal(6 + 1, sums.Length); // DSDT, FACP, APIC, XSDT, RSDT, and two of the RSDP
        Assert.All(sums, entry =>
        {
            string file = Encoding.ASCII.GetString(entry, 4, 56).TrimEnd('\0');
            Assert.Equal(0, ReadFile(board, file)[BitConverter.ToInt32(entry, 60)]);
        });
    }

    [Fact]
    public async Task LoadState_OfASleepingMachine_SleepsAndWakes()
    {
        using PcBoard first = Create("interpreter", SleepOnce);
        first.Start();
        await GuestBoard.WaitUntilAsync(() => first.IsSuspendedToMemory);
        first.Pause();
        IReadOnlyList<UnitRecord> records = first.SaveState();
        using PcBoard second = Create("interpreter", SleepOnce);
        second.Pause();
        first.Ram.Slice(0, 1 << 20).CopyTo(second.Ram.Slice(0, 1 << 20));
        second.LoadState(records);
        second.Start();
        second.Resume();
        Assert.True(second.IsAsleep);

        second.PressPowerButton();

        Assert.Equal(MachineExitReason.DebugExit, (await second.Exit.WaitAsync(TimeSpan.FromMinutes(1))).Reason);
        Assert.Equal("SW\u0081", Printed);
    }

    [Fact]
    public async Task Reset_OfASleepingMachine_StartsItAnew()
    {
        using PcBoard board = Create("interpreter", SleepOnce);
        board.Start();
        await GuestBoard.WaitUntilAsync(() => board.IsSuspendedToMemory);

        board.Reset();

        await GuestBoard.WaitUntilAsync(() => board.Resets == 1 && board.IsSuspendedToMemory);
        Assert.Equal("SS", Printed);
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
            _printed.Append(Encoding.Latin1.GetString(bytes));
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

    /// <summary>
    /// Sleeps at its first start; when it is woken, prints what shows at E0000, which is RAM only behind a wake, and what has woken it.
    /// </summary>
    private static void SleepOnce(Assembler c)
    {
        const ushort powerPort = 0x600;
        Label wakes = c.CreateLabel();
        PciByte(c, 0x40, 0, function: PowerFunction);
        PciByte(c, 0x41, powerPort >> 8, function: PowerFunction);
        PciByte(c, 0x80, 1, function: PowerFunction);
        c.mov(ax, 0xE000);
        c.mov(ds, ax);
        c.mov(al, 0x0F); // the shutdown code, in CMOS RAM
        c.@out(0x70, al);
        c.@in(al, 0x71);
        c.cmp(al, 0xFE);
        c.je(wakes);
        Print(c, 'S');
        PciByte(c, 0x5E, 0x33);
        c.mov(__byte_ptr[0], (byte)'W');
        c.mov(dx, powerPort + 4);
        c.mov(ax, (1 << 13) | (1 << 10));
        c.@out(dx, ax);
        Print(c, '!'); // is not reached
        c.Label(ref wakes);
        c.mov(dx, 0x3F8);
        c.mov(al, __byte_ptr[0]);
        c.@out(dx, al);
        c.mov(dx, powerPort + 1);
        c.@in(al, dx);
        c.mov(dx, 0x3F8);
        c.@out(dx, al);
        Exit(c, 0);
    }

    /// <summary>A file of the firmware's configuration device, by its directory.</summary>
    private static byte[] ReadFile(PcBoard board, string name)
    {
        const int entrySize = 64;
        byte[] Read(ushort key, int length)
        {
            board.Ports.Write(0x510, Core.Bus.AccessWidth.Word, key);
            return [.. Enumerable.Range(0, length).Select(_ => (byte)board.Ports.Read(0x511, Core.Bus.AccessWidth.Byte))];
        }

        int count = BinaryPrimitives.ReadInt32BigEndian(Read(0x19, 4));
        byte[] directory = Read(0x19, 4 + (count * entrySize))[4..];
        byte[] entry = directory.Chunk(entrySize).Single(file => Encoding.ASCII.GetString(file[8..]).TrimEnd('\0') == name);
        return Read(BinaryPrimitives.ReadUInt16BigEndian(entry.AsSpan(4)), BinaryPrimitives.ReadInt32BigEndian(entry));
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

    /// <summary>Writes a byte of configuration space; that of the host bridge if no function is named.</summary>
    private static void PciByte(Assembler c, byte register, byte value, uint function = 0)
    {
        c.mov(dx, 0xCF8);
        c.mov(eax, 0x8000_0000 | function | (register & ~3u));
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
