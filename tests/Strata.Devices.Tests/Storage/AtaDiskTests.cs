using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Storage;

namespace Strata.Devices.Tests.Storage;

/// <summary>ANSI INCITS 361 (ATA/ATAPI-6), "Command descriptions" and "Protocol"; Intel PIIX3, "Bus Master IDE Registers".</summary>
public sealed class AtaDiskTests : IDisposable
{
    private const byte Ready = 0x50;
    private const byte ReadyWithData = 0x58;

    private readonly IdeBench _ide = new();

    [Fact]
    public void Identify_Disk_TellsSizeAndSerial()
    {
        _ide.Command(0xEC, 0, 0);

        byte[] words = _ide.ReadData(512);
        Assert.Equal(IdeBench.Sectors, BinaryPrimitives.ReadInt32LittleEndian(words.AsSpan(60 * 2)));
        Assert.Equal(IdeBench.Sectors, BinaryPrimitives.ReadInt64LittleEndian(words.AsSpan(100 * 2)));
        byte[] serial = words[20..40];
        Assert.Equal("SERIAL", Encoding.ASCII.GetString([.. Enumerable.Range(0, 20).Select(i => serial[i ^ 1])]).Trim());
        Assert.Equal(Ready, _ide.In(0x1F7));
    }

    [Fact]
    public void ReadSectors_ThroughTheDataRegister_InterruptsForEach()
    {
        _ide.Command(0x20, 5, 3);

        for (int sector = 5; sector < 8; sector++)
        {
            Assert.True(_ide.Line.IsHigh);
            Assert.Equal(ReadyWithData, _ide.In(0x1F7));
            Assert.False(_ide.Line.IsHigh);
            Assert.All(_ide.ReadData(512), value => Assert.Equal(sector, value));
        }

        Assert.Equal((Ready, 3), (_ide.In(0x1F7), _ide.Interrupts.RisingEdges));
    }

    [Fact]
    public void ReadMultiple_BlocksOfFour_InterruptsForEachBlock()
    {
        _ide.Command(0xC6, 0, 4);
        _ide.In(0x1F7);
        _ide.Interrupts.Levels.Clear();

        _ide.Command(0xC4, 10, 6);
        byte[] bytes = [.. Enumerable.Range(0, 3).SelectMany(_ => _ide.ReadData(1024).Concat([_ide.In(0x1F7)]).Take(1024))];

        Assert.Equal(Enumerable.Range(10, 6), Enumerable.Range(0, 6).Select(i => (int)bytes[i * 512]));
        Assert.Equal(2, _ide.Interrupts.RisingEdges);
    }

    [Fact]
    public void WriteSectors_ThroughTheDataRegister_LandOnTheDisk()
    {
        _ide.Command(0x30, 7, 2);
        Assert.Equal(ReadyWithData, _ide.In(0x1F7));
        Assert.Equal(0, _ide.Interrupts.RisingEdges); // the first block is asked for by status alone

        _ide.WriteData(Filled(0xA1, 512));
        Assert.True(_ide.Line.IsHigh);
        _ide.In(0x1F7);
        _ide.WriteData(Filled(0xA2, 512));

        Assert.Equal((0xA1, 0xA2, 9), (_ide.Disk.Bytes[7 * 512], _ide.Disk.Bytes[(8 * 512) + 511], _ide.Disk.Bytes[9 * 512]));
        Assert.Equal((Ready, 2), (_ide.In(0x1F7), _ide.Interrupts.RisingEdges));
    }

    [Fact]
    public void ReadCylinderHeadSector_AsTheGeometrySays()
    {
        _ide.Out(0x1F6, 0xA3); // head 3
        _ide.Out(0x1F2, 1);
        _ide.Out(0x1F3, 2);    // sectors count from 1
        _ide.Out(0x1F4, 0);
        _ide.Out(0x1F5, 0);
        _ide.Out(0x1F7, 0x20);

        Assert.Equal((byte)((3 * 63) + 1), _ide.ReadData(512)[0]);
    }

    [Theory]
    [InlineData(IdeBench.Sectors, 1)]
    [InlineData(IdeBench.Sectors - 1, 2)]
    [InlineData(0xFFF_FFFF, 1)]
    public void Read_BeyondTheEnd_IsNotFound(int sector, int count)
    {
        _ide.Command(0x20, sector, count);

        Assert.Equal((0x51, 0x10), (_ide.In(0x1F7), _ide.In(0x1F1)));
    }

    [Fact]
    public void ReadExt_HighOrderBytes_AreBehindTheControlBit()
    {
        _ide.CommandExt(0x24, 0x1_0000_0002, 1);
        Assert.Equal(0x51, _ide.In(0x1F7));

        _ide.Out(0x3F6, 0x80);
        Assert.Equal((0, 0, 1), (_ide.In(0x1F2), _ide.In(0x1F3), _ide.In(0x1F4)));
        _ide.Out(0x3F6, 0);
        Assert.Equal((1, 2, 0), (_ide.In(0x1F2), _ide.In(0x1F3), _ide.In(0x1F4)));
    }

    [Fact]
    public void ReadDma_ScatteredTable_FillsEachPiece()
    {
        _ide.Describe((IdeBench.Buffer, 100), (IdeBench.Buffer + 0x1000, 924));
        _ide.Command(0xC8, 20, 2);
        Assert.Equal(0, _ide.Interrupts.RisingEdges);

        _ide.StartMaster(toMemory: true);

        Assert.True(_ide.Line.IsHigh);
        Assert.Equal(0x04, _ide.MasterStatus() & 0x07); // interrupt, and no longer active
        Assert.Equal(Ready, _ide.In(0x1F7));
        Assert.Equal((20, 20, 21), (_ide.Ram[(int)IdeBench.Buffer], _ide.Ram[0x5000], _ide.Ram[0x5000 + 923]));
        Assert.Equal(0, _ide.Ram[(int)IdeBench.Buffer + 100]);
    }

    [Fact]
    public void WriteDmaFua_IsOnStableStorage()
    {
        _ide.Ram.Slice((int)IdeBench.Buffer, 512).Fill(0x77);
        _ide.Describe((IdeBench.Buffer, 512));

        _ide.CommandExt(0x3D, 3, 1);
        _ide.StartMaster(toMemory: false);

        Assert.Equal((0x77, 1), (_ide.Disk.Bytes[3 * 512], _ide.Disk.Flushes));
    }

    [Theory]
    [InlineData(0xFFFF_0000u, 512)] // no RAM
    [InlineData(IdeBench.Buffer, 256)] // too short
    public void ReadDma_TableThatDoesNotDo_FailsTheCommand(uint address, int count)
    {
        _ide.Describe((address, count));
        _ide.Command(0xC8, 0, 1);

        _ide.StartMaster(toMemory: true);

        Assert.Equal(0x02, _ide.MasterStatus() & 0x03);
        Assert.Equal((0x51, 0x04), (_ide.In(0x1F7), _ide.In(0x1F1)));
    }

    [Fact]
    public void WriteCacheOff_EveryWrite_IsFlushed()
    {
        _ide.Out(0x1F1, 0x82);
        _ide.Command(0xEF, 0, 0);
        Assert.Equal(1, _ide.Disk.Flushes);

        _ide.Command(0x30, 0, 1);
        _ide.WriteData(new byte[512]);

        Assert.Equal(2, _ide.Disk.Flushes);
    }

    [Fact]
    public void Flush_Command_FlushesTheDisk()
    {
        _ide.Command(0xE7, 0, 0);

        Assert.Equal((1, Ready), (_ide.Disk.Flushes, _ide.In(0x1F7)));
    }

    [Fact]
    public void Trim_RangesInsideTheDisk_AreDiscarded()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_ide.Ram[(int)IdeBench.Buffer..], (4UL << 48) | 100);
        BinaryPrimitives.WriteUInt64LittleEndian(_ide.Ram[((int)IdeBench.Buffer + 8)..], (4UL << 48) | (IdeBench.Sectors - 1));
        _ide.Describe((IdeBench.Buffer, 512));

        _ide.Out(0x1F1, 1);
        _ide.CommandExt(0x06, 0, 1);
        _ide.StartMaster(toMemory: false);

        Assert.Equal([(100L * 512, 4L * 512)], _ide.Disk.Discarded);
        Assert.Equal(Ready, _ide.In(0x1F7));
    }

    [Fact]
    public void Write_ReadOnlyDisk_IsAborted()
    {
        using IdeBench ide = new(isReadOnly: true);

        ide.Command(0x30, 0, 1);

        Assert.Equal((0x51, 0x04), (ide.In(0x1F7), ide.In(0x1F1)));
    }

    [Theory]
    [InlineData(0x20, 0x40)]
    [InlineData(0xE7, 0x04)]
    public void Command_BrokenDisk_TellsTheGuest(byte command, byte error)
    {
        _ide.Disk.IsBroken = true;

        _ide.Command(command, 0, 1);

        Assert.Equal((0x51, error), (_ide.In(0x1F7), _ide.In(0x1F1)));
    }

    [Fact]
    public void InterruptsOff_Command_LeavesTheWireLow()
    {
        _ide.Out(0x3F6, 2);
        _ide.Command(0xE7, 0, 0);
        Assert.False(_ide.Line.IsHigh);

        _ide.Out(0x3F6, 0);

        Assert.True(_ide.Line.IsHigh);
    }

    [Fact]
    public void SoftwareReset_InADataPhase_ShowsTheSignature()
    {
        _ide.Command(0x20, 0, 1);
        _ide.ReadData(100);

        _ide.Out(0x3F6, 4);
        _ide.Out(0x3F6, 0);

        Assert.Equal((1, 1, 0, 0), (_ide.In(0x1F2), _ide.In(0x1F3), _ide.In(0x1F4), _ide.In(0x1F5)));
        Assert.Equal((Ready, 1), (_ide.In(0x1F7), _ide.In(0x1F1)));
    }

    [Fact]
    public void Registers_OfAnAbsentDrive_ReadZero()
    {
        _ide.Out(0x1F6, 0xB0);

        Assert.Equal((0, 0, 0), (_ide.In(0x1F7), _ide.In(0x3F6), _ide.In(0x1F2)));
    }

    [Fact]
    public void Command_OnAnotherThread_IsBusyUntilItIsDone()
    {
        using IdeBench ide = new(isSynchronous: false);

        ide.Command(0xC8, 30, 1);
        ide.Describe((IdeBench.Buffer, 512));
        ide.StartMaster(toMemory: true);
        ide.First.Quiesce();

        Assert.Equal((Ready, 30), (ide.In(0x1F7), ide.Ram[(int)IdeBench.Buffer]));
    }

    [Fact]
    public void State_InTheMiddleOfARead_GoesOnElsewhere()
    {
        _ide.Command(0x20, 40, 2);
        byte[] begun = _ide.ReadData(200);
        using IdeBench other = new();

        other.First.LoadState(_ide.First.SaveState());

        Assert.All((byte[])[.. begun, .. other.ReadData(312)], value => Assert.Equal(40, value));
        Assert.All(other.ReadData(512), value => Assert.Equal(41, value));
    }

    [Fact]
    public void State_DmaThatWaitsForItsMaster_BeginsBehindTheLoad()
    {
        _ide.Command(0xC8, 50, 1);
        using IdeBench other = new();
        other.First.LoadState(_ide.First.SaveState());
        other.First.Resume();
        other.Describe((IdeBench.Buffer, 512));

        other.StartMaster(toMemory: true);

        Assert.Equal(50, other.Ram[(int)IdeBench.Buffer]);
    }

    [Fact]
    public void IdeChannel_ReadUnderWay_HoldsTheContract()
    {
        _ide.Command(0x20, 1, 2);
        _ide.ReadData(10);
        IdeChannelState state = _ide.First.SaveState();
        state.Drives[0].Transfer.Reply = [1, 2];
        _ide.First.LoadState(state);

        UnitContract.Check(_ide.First, (property, old) => property.Name switch
        {
            nameof(IdeDriveState.Status) => (byte)0x50,
            nameof(IdeTransfer.Kind) => IdeTransferKind.FromReply,
            nameof(IdeTransfer.Start) => 4096L,
            nameof(IdeTransfer.Length) => 2048L,
            nameof(IdeTransfer.Done) => 512L,
            nameof(IdeTransfer.Block) => 1024,
            nameof(IdeTransfer.Filled) => 500,
            nameof(IdeTransfer.Moved) => 12,
            nameof(IdeChannelState.MasterCommand) => (byte)9,
            nameof(IdeChannelState.MasterStatus) => (byte)4,
            nameof(IdeChannelState.MasterTable) => 0x40u,
            _ => null,
        });
    }

    [Fact]
    public void LoadState_TransferOutsideOfTheDisk_IsRefused()
    {
        _ide.Command(0x20, 1, 2);
        IdeChannelState state = _ide.First.SaveState();
        state.Drives[0].Transfer.Start = IdeBench.Sectors * 512;

        StateException error = Assert.Throws<StateException>(() => _ide.First.LoadState(state));

        Assert.Contains("outside of the disk", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _ide.Dispose();

    private static byte[] Filled(byte value, int count) => [.. Enumerable.Repeat(value, count)];
}
