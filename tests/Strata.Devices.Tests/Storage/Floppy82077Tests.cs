using Strata.Core.Bus;
using Strata.Core.Interrupts;
using Strata.Core.Memory;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Dma;
using Strata.Devices.Storage.Floppy;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>Intel 82077AA data sheet (290166).</summary>
public sealed class Floppy82077Tests : IDisposable
{
    private const int Dor = 2;
    private const int MainStatus = 4;
    private const int Fifo = 5;
    private const int Buffer = 0x1_0000;
    private const int ReadData = 0xE6;  // MT, MFM, SK
    private const int WriteData = 0xC5; // MT, MFM
    private const int Sectors1440 = 2880;

    private readonly GuestMemory _ram = new(1 << 20);
    private readonly AddressSpace _memory = new();
    private readonly RecordingSink _sink = new();
    private readonly InterruptLine _line;
    private readonly Dma8237 _dma;
    private readonly Floppy82077 _floppy;
    private readonly MemoryDisk _disk = new MemoryDisk(Sectors1440).Numbered();

    public Floppy82077Tests()
    {
        _memory.MapRam(0, _ram, 0, _ram.Size);
        _line = _sink.Line(6);
        _dma = new Dma8237(_memory);
        _dma.Second.Out(0x1E, 0x0E);
        _floppy = new Floppy82077(_dma.Channel(2), _line) { IsSynchronous = true };
        _floppy.Insert(0, _disk);
    }

    public void Dispose()
    {
        _floppy.Dispose();
        _ram.Dispose();
    }

    [Fact]
    public void Reset_Ended_InterruptsAndAnswersForFourDrives()
    {
        _floppy.Out(Dor, 0x0C);

        Assert.True(_line.IsHigh);
        Assert.Equal(0x80, _floppy.In(MainStatus));
        for (int drive = 0; drive < 4; drive++)
        {
            Assert.Equal([(byte)(0xC0 | drive), 0], Command(2, 0x08));
            Assert.False(_line.IsHigh); // one interrupt for all four: Linux takes a second for a failure
        }

        Assert.Equal([0x80], Command(1, 0x08));
    }

    [Fact]
    public void Reset_PollingDisabled_IsQuiet()
    {
        Start();
        Command(0, 0x13, 0, 0x10, 0);
        Command(1, 0x94); // LOCK keeps it

        _floppy.Out(Dor, 0x08);
        _floppy.Out(Dor, 0x0C);

        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Interrupt_GateClosed_DoesNotReachTheWire()
    {
        _floppy.Out(Dor, 0x04);

        Assert.False(_line.IsHigh);
        _floppy.Out(Dor, 0x0C);
        Assert.True(_line.IsHigh);
    }

    [Fact]
    public void Version_Asked_IsEnhanced()
    {
        Start();

        Assert.Equal([0x90], Command(1, 0x10));
    }

    [Fact]
    public void Command_Unknown_IsInvalid()
    {
        Start();

        Assert.Equal([0x80], Command(1, 0x1F));
        Assert.Equal(0x80, _floppy.In(MainStatus));
    }

    [Fact]
    public void Seek_ToACylinder_InterruptsAndResetsTheChangeLine()
    {
        Start();
        Assert.Equal(0x80, _floppy.DigitalInput.In(0));

        Command(0, 0x0F, 0, 5);

        Assert.True(_line.IsHigh);
        Assert.Equal([0x20, 5], Command(2, 0x08));
        Assert.Equal(0, _floppy.DigitalInput.In(0));
        Command(0, 0x07, 0);
        Assert.Equal([0x20, 0], Command(2, 0x08));
    }

    [Fact]
    public void Seek_Relative_MovesByTheCount()
    {
        Start();
        Command(0, 0x0F, 0, 5);
        Command(2, 0x08);

        Command(0, 0xCF, 0, 3);
        Assert.Equal([0x20, 8], Command(2, 0x08));
        Command(0, 0x8F, 0, 7);
        Assert.Equal([0x20, 1], Command(2, 0x08));
    }

    [Fact]
    public void Read_ByDma_FillsMemoryOverBothSides()
    {
        Start();
        ProgramDma(0x46, 36 * 512);

        byte[] result = Command(7, ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF);

        Assert.Equal([0x00, 0x00, 0x00], result[..3]);
        Assert.Equal(_disk.Bytes[..(36 * 512)], Memory(36 * 512));
        Assert.Equal([1, 0, 1, 2], result[3..]); // the next sector is on the next cylinder
    }

    [Fact]
    public void Read_OneSector_NamesTheNext()
    {
        Start();
        ProgramDma(0x46, 512);

        byte[] result = Command(7, ReadData, 4, 0, 1, 3, 2, 18, 0x1B, 0xFF);

        Assert.Equal([0x04, 0, 0, 0, 1, 4, 2], result);
        Assert.All(Memory(512), value => Assert.Equal(20, value));
    }

    [Fact]
    public void Read_InterruptUntilTheResultIsRead()
    {
        Start();
        ProgramDma(0x46, 512);
        Issue(ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF);

        Assert.True(_line.IsHigh);
        Assert.Equal(0xD0, _floppy.In(MainStatus));
        _floppy.In(Fifo);
        Assert.False(_line.IsHigh);
    }

    [Fact]
    public void Read_BeyondTheTrackWithoutTerminalCount_EndsAtTheCylinder()
    {
        Start();
        ProgramDma(0x46, 4096);

        byte[] result = Command(7, 0x66, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF); // without MT

        Assert.Equal([0x40, 0x80, 0x00], result[..3]);
    }

    [Theory]
    [InlineData(5, 0, 1, 2, 0x04, 0x10)]  // another cylinder than the one under the heads
    [InlineData(0, 0, 19, 2, 0x04, 0x00)] // no such sector
    [InlineData(0, 0, 0, 2, 0x04, 0x00)]
    [InlineData(0, 0, 1, 3, 0x04, 0x00)]  // another size
    [InlineData(0, 2, 1, 2, 0x01, 0x00)]  // no such side
    public void Read_WhatIsNotThere_SaysWhat(int cylinder, int head, int sector, int size, int st1, int st2)
    {
        Start();
        ProgramDma(0x46, 512);

        byte[] result = Command(7, ReadData, 0, cylinder, head, sector, size, 18, 0x1B, 0xFF);

        Assert.Equal([0x40, (byte)st1, (byte)st2], [result[0] & 0xC0, result[1], result[2]]);
    }

    [Fact]
    public void Read_WrongDataRate_FindsNoMark()
    {
        Start();
        _floppy.DigitalInput.Out(0, 2);
        ProgramDma(0x46, 512);

        Assert.Equal([0x40, 0x01], Command(7, ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..2]);
    }

    [Fact]
    public void Read_EmptyDrive_FindsNoMark()
    {
        Start();
        ProgramDma(0x46, 512);

        Assert.Equal([0x41, 0x01], Command(7, ReadData, 1, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..2]);
    }

    [Fact]
    public void Read_ChannelMasked_Overruns()
    {
        Start();

        Assert.Equal([0x40, 0x10], Command(7, ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..2]);
    }

    [Fact]
    public void Read_DiskFails_IsADataError()
    {
        Start();
        ProgramDma(0x46, 512);
        _disk.Fails = true;

        Assert.Equal([0x40, 0x20, 0x20], Command(7, ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..3]);
    }

    [Fact]
    public void Write_ByDma_ReachesTheDisk()
    {
        Start();
        ProgramDma(0x4A, 1024);
        _memory.TryWriteBytes(Buffer, Enumerable.Repeat((byte)0xA5, 1024).ToArray());

        byte[] result = Command(7, WriteData, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF);

        Assert.Equal(4, result[0]); // ended on side 1
        Assert.All(_disk.Sector(17).ToArray().Concat(_disk.Sector(18).ToArray()), value => Assert.Equal(0xA5, value));
        Assert.Equal(19, _disk.Sector(19)[0]);
    }

    [Fact]
    public void Write_Protected_IsRefused()
    {
        Start();
        _floppy.Insert(0, new MemoryDisk(Sectors1440, isReadOnly: true));
        ProgramDma(0x4A, 512);

        Assert.Equal([0x40, 0x02], Command(7, WriteData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..2]);
        Assert.Equal(0x40, Command(1, 0x04, 0)[0] & 0x40);
    }

    [Fact]
    public void Format_Track_FillsItsSectors()
    {
        Start();
        byte[] ids = [.. Enumerable.Range(1, 18).SelectMany(sector => new byte[] { 0, 1, (byte)sector, 2 })];
        _memory.TryWriteBytes(Buffer, ids);
        ProgramDma(0x4A, ids.Length);

        byte[] result = Command(7, 0x4D, 4, 2, 18, 0x54, 0xF6);

        Assert.Equal(0x04, result[0]);
        Assert.Equal(17, _disk.Sector(17)[0]);
        Assert.All(_disk.Bytes.AsSpan(18 * 512, 18 * 512).ToArray(), value => Assert.Equal(0xF6, value));
        Assert.Equal(36, _disk.Sector(36)[0]);
    }

    [Fact]
    public void ReadId_NamesASectorUnderTheHeads()
    {
        Start();
        Command(0, 0x0F, 0, 7);
        Command(2, 0x08);

        Assert.Equal([0x04, 0, 0, 7, 1, 1, 2], Command(7, 0x4A, 4));
    }

    [Fact]
    public void Read_WithoutDma_GoesThroughTheFifo()
    {
        Start();
        Command(0, 0x03, 0xDF, 0x03);
        Issue(0x66, 0, 0, 0, 17, 2, 18, 0x1B, 0xFF);
        List<byte> bytes = [];
        while (_floppy.In(MainStatus) == 0xF0)
        {
            bytes.Add(_floppy.In(Fifo));
        }

        Assert.Equal(_disk.Bytes[(16 * 512)..(18 * 512)], bytes.ToArray());
        Assert.Equal([0x40, 0x80], Results(7)[..2]); // nobody gives a terminal count
    }

    [Fact]
    public void Write_WithoutDma_GoesThroughTheFifo()
    {
        Start();
        Command(0, 0x03, 0xDF, 0x03);
        Issue(0x45, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF);
        for (int i = 0; i < 512; i++)
        {
            Assert.Equal(0xB0, _floppy.In(MainStatus));
            _floppy.Out(Fifo, i >> 1);
        }

        Assert.Equal([0x40, 0x80], Results(7)[..2]);
        Assert.Equal([254, 255], [_disk.Sector(17)[508], _disk.Sector(17)[511]]);
    }

    [Fact]
    public void DumpReg_AfterConfigureAndLock_ShowsThem()
    {
        Start();
        Command(0, 0x03, 0xAF, 0x02);
        Command(0, 0x13, 0, 0x57, 0x10);
        Command(0, 0x12, 0x87);
        Assert.Equal([0x10], Command(1, 0x94));

        Assert.Equal([0, 0, 0, 0, 0xAF, 0x02, 0, 0x87, 0x57, 0x10], Command(10, 0x0E));
    }

    [Fact]
    public void ImpliedSeek_Configured_MovesTheHeads()
    {
        Start();
        Command(0, 0x13, 0, 0x57, 0);
        ProgramDma(0x46, 512);

        byte[] result = Command(7, ReadData, 0, 10, 0, 1, 2, 18, 0x1B, 0xFF);

        Assert.Equal(0, result[0]);
        Assert.Equal(unchecked((byte)360), Memory(512)[0]);
    }

    [Fact]
    public void Verify_Track_MovesNothing()
    {
        Start();

        Assert.Equal([0, 0, 0], Command(7, 0x56, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF)[..3]);
        Assert.All(Memory(512), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Insert_AnotherDiskette_ShowsTheChangeAndReturnsTheOldOne()
    {
        Start();
        Command(0, 0x0F, 0, 5);
        Command(2, 0x08);
        Assert.Equal(0, _floppy.DigitalInput.In(0));

        using MemoryDisk other = new(1440);
        Assert.Same(_disk, _floppy.Insert(0, other));

        Assert.Equal(0x80, _floppy.DigitalInput.In(0));
        Assert.Equal(3, _floppy.DriveType(0));
        Assert.Same(other, _floppy.Insert(0, null));
        Command(0, 0x0F, 0, 0);
        Assert.Equal(0x80, _floppy.DigitalInput.In(0)); // an empty drive stays changed
    }

    [Fact]
    public void Insert_ImageOfNoDiskettesSize_IsRefused()
    {
        using MemoryDisk large = new(6000);

        ArgumentException error = Assert.Throws<ArgumentException>(() => _floppy.Insert(0, large));

        Assert.Contains("1.44", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(320, 40, 1, 8)]
    [InlineData(720, 40, 2, 9)]
    [InlineData(1440, 80, 2, 9)]
    [InlineData(2400, 80, 2, 15)]
    [InlineData(2880, 80, 2, 18)]
    [InlineData(2879, 80, 2, 18)]
    [InlineData(5760, 80, 2, 36)]
    public void Geometry_OfASize_IsItsFormat(int sectors, int cylinders, int heads, int perTrack)
    {
        FloppyGeometry geometry = FloppyGeometry.Find(sectors)!;

        Assert.Equal((cylinders, heads, perTrack), (geometry.Cylinders, geometry.Heads, geometry.SectorsPerTrack));
    }

    [Fact]
    public void Read_ImageCutOff_IsZerosBehindItsEnd()
    {
        Start();
        _floppy.Insert(0, new MemoryDisk(2405).Numbered());
        Command(0, 0x0F, 0, 66);
        Command(2, 0x08);
        ProgramDma(0x46, 36 * 512);

        byte[] result = Command(7, ReadData, 0, 66, 0, 1, 2, 18, 0x1B, 0xFF);

        Assert.Equal(0, result[0]);
        Assert.Equal(2404 & 0xFF, Memory(36 * 512)[28 * 512]);
        Assert.Equal(0, Memory(36 * 512)[29 * 512]);
    }

    [Fact]
    public void Contract_InAResult_Holds()
    {
        Start();
        ProgramDma(0x46, 512);
        Issue(ReadData, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF);
        _floppy.In(Fifo);

        UnitContract.Check<Floppy82077State>(_floppy, (property, old) => property.Name switch
        {
            nameof(Floppy82077State.Phase) => (byte)3,
            nameof(Floppy82077State.Command) => Array.Empty<byte>(),
            _ => null,
        });
    }

    [Fact]
    public void Load_InTheMiddleOfAFifoTransfer_GoesOn()
    {
        Start();
        Command(0, 0x03, 0xDF, 0x03);
        Issue(0x66, 0, 0, 0, 18, 2, 18, 0x1B, 0xFF);
        _floppy.In(Fifo);
        Floppy82077State state = _floppy.SaveState();
        _floppy.Reset();

        _floppy.LoadState(state);
        _floppy.Resume();

        for (int i = 1; i < 512; i++)
        {
            Assert.Equal(17, _floppy.In(Fifo));
        }

        Assert.Equal([0x40, 0x80], Results(7)[..2]);
    }

    [Fact]
    public void Load_ResultWithoutBytes_IsRefused()
    {
        Floppy82077State state = _floppy.SaveState();
        state.Phase = 3;

        Assert.Throws<StateException>(() => _floppy.LoadState(state));
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomAccesses_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        int[] commands = [0xE6, 0x66, 0xC5, 0x4D, 0x4A, 0x0F, 0x07, 0x08, 0x13, 0x56, 0x42, 0x6C, 0x03, 0x0E];
        for (int i = 0; i < 30_000; i++)
        {
            switch (random.Next(12))
            {
                case 0:
                    _floppy.Out(random.Next(6), random.Next(256));
                    break;
                case 1:
                    _dma.First.Out(random.Next(16), random.Next(256));
                    break;
                case 2:
                    _floppy.Out(Dor, random.Next(10) == 0 ? 0 : 0x1C);
                    break;
                case 3:
                    ProgramDma(random.Next(2) == 0 ? 0x46 : 0x4A, 512 * (1 + random.Next(40)));
                    break;
                case 4:
                    _floppy.In(Fifo);
                    break;
                case 5:
                    _floppy.DigitalInput.Out(0, random.Next(2) == 0 ? 0 : random.Next(4));
                    break;
                default:
                    bool idle = (_floppy.In(MainStatus) & 0x10) == 0;
                    _floppy.Out(Fifo, idle ? commands[random.Next(commands.Length)] : random.Next(3));
                    break;
            }
        }

        _floppy.LoadState(_floppy.SaveState());
        Assert.Equal(Sectors1440 * 512, _disk.Bytes.Length);
    }

    [Fact]
    public void Insert_WithAThread_WaitsForTheCommand()
    {
        using Floppy82077 floppy = new(_dma.Channel(2), _line);
        floppy.Insert(0, new MemoryDisk(Sectors1440).Numbered());
        floppy.Out(Dor, 0x1C);
        ProgramDma(0x46, 18 * 512);
        int[] bytes = [0x66, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF];
        Array.ForEach(bytes, value => floppy.Out(Fifo, value));

        floppy.Insert(0, null)!.Dispose();

        Assert.True(SpinWait.SpinUntil(() => floppy.In(MainStatus) == 0xD0, TimeSpan.FromMinutes(1)));
    }

    /// <summary>Brings the controller out of reset, with drive 0's motor on.</summary>
    private void Start()
    {
        _floppy.Out(Dor, 0x3C);
        for (int i = 0; i < 4; i++)
        {
            Command(2, 0x08);
        }

        Command(0, 0x03, 0xDF, 0x02);
        _floppy.DigitalInput.Out(0, 0);
    }

    private void Issue(params int[] bytes) => Array.ForEach(bytes, value => _floppy.Out(Fifo, value));

    private byte[] Command(int results, params int[] bytes)
    {
        Issue(bytes);
        return Results(results);
    }

    private byte[] Results(int count)
    {
        byte[] results = [.. Enumerable.Range(0, count).Select(_ => _floppy.In(Fifo))];
        Assert.Equal(0x80, _floppy.In(MainStatus));
        return results;
    }

    private void ProgramDma(int mode, int count)
    {
        _dma.First.Out(0x0A, 6);
        _dma.First.Out(0x0C, 0);
        _dma.First.Out(0x0B, mode);
        _dma.First.Out(4, Buffer & 0xFF);
        _dma.First.Out(4, (Buffer >> 8) & 0xFF);
        _dma.First.Out(5, (count - 1) & 0xFF);
        _dma.First.Out(5, (count - 1) >> 8);
        _dma.Pages.Out(1, Buffer >> 16);
        _dma.First.Out(0x0A, 2);
    }

    private byte[] Memory(int count) => _memory.TryGetSpan(Buffer, (uint)count, out ReadOnlySpan<byte> span) ? span.ToArray() : [];
}
