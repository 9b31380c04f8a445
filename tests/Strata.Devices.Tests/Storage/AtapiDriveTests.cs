using System.Buffers.Binary;
using Strata.Core.Tests.State;
using Strata.Devices.Storage;

namespace Strata.Devices.Tests.Storage;

/// <summary>ANSI INCITS 361 (ATA/ATAPI-6), "PACKET command feature set"; ANSI INCITS 360 (MMC-3).</summary>
public sealed class AtapiDriveTests : IDisposable
{
    private const int Blocks = IdeBench.DiscSectors / 4;

    private readonly IdeBench _ide = new();

    public AtapiDriveTests() => _ide.PacketReply([0x00]); // takes the attention of power-on

    [Fact]
    public void Signature_OfTheDrive_IsThatOfPackets()
    {
        _ide.Out(0x376, 4);
        _ide.Out(0x376, 0);

        Assert.Equal((1, 1, 0x14, 0xEB, 0), (_ide.In(0x172), _ide.In(0x173), _ide.In(0x174), _ide.In(0x175), _ide.In(0x177)));
    }

    [Fact]
    public void Identify_Packet_SaysCdDriveOfTwelveBytes()
    {
        _ide.Out(0x176, 0xA0);
        _ide.Out(0x177, 0xA1);

        Assert.Equal(0x85C0, BinaryPrimitives.ReadUInt16LittleEndian(_ide.ReadData(512, 0x170)));
    }

    [Fact]
    public void Identify_AsADisk_IsAbortedWithTheSignature()
    {
        _ide.Out(0x177, 0xEC);

        Assert.Equal((0x51, 0x04, 0xEB), (_ide.In(0x177), _ide.In(0x171), _ide.In(0x175)));
    }

    [Fact]
    public void FirstCommand_BehindPowerOn_HasAttention()
    {
        using IdeBench ide = new();

        ide.Packet([0x00]);
        Assert.Equal((0x51, 0x64), (ide.In(0x177), ide.In(0x171)));
        byte[] sense = ide.PacketReply([0x03, 0, 0, 0, 18]);
        Assert.Equal((6, 0x29), (sense[2], sense[12]));

        ide.Packet([0x00]);
        Assert.Equal(0x50, ide.In(0x177));
    }

    [Fact]
    public void Packet_Phases_ShowTheirReasons()
    {
        _ide.Out(0x174, 0xFE);
        _ide.Out(0x175, 0xFF);
        _ide.Out(0x177, 0xA0);
        Assert.Equal((0x58, 1), (_ide.In(0x177), _ide.In(0x172))); // a command is awaited

        _ide.WriteData([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0x170);
        Assert.Equal((0x58, 2, 8), (_ide.In(0x177), _ide.In(0x172), _ide.In(0x174))); // data to the host, so many
        byte[] capacity = _ide.ReadData(8, 0x170);

        Assert.Equal((0x50, 3), (_ide.In(0x177), _ide.In(0x172)));
        Assert.Equal(
            (Blocks - 1, 2048), (BinaryPrimitives.ReadInt32BigEndian(capacity), BinaryPrimitives.ReadInt32BigEndian(capacity.AsSpan(4))));
    }

    [Theory]
    [InlineData(0xFFFE)]
    [InlineData(2048)]
    [InlineData(512)]
    [InlineData(0x3E8)] // a part that is no power of two
    public void Read10_InParts_GivesTheBlocks(int limit)
    {
        byte[] data = _ide.PacketReply([0x28, 0, 0, 0, 0, 3, 0, 0, 2], limit);

        Assert.Equal(_ide.Disc.Bytes[(3 * 2048)..(5 * 2048)], data);
    }

    [Fact]
    public void Read10_Dma_GivesTheBlocks()
    {
        _ide.Describe((IdeBench.Buffer, 4096));
        _ide.Packet([0x28, 0, 0, 0, 0, 1, 0, 0, 2], isDma: true);

        _ide.StartMaster(toMemory: true, channel: 1);

        Assert.Equal(_ide.Disc.Bytes[2048..(3 * 2048)], _ide.Ram.Slice((int)IdeBench.Buffer, 4096).ToArray());
        Assert.Equal((0x50, 3), (_ide.In(0x177), _ide.In(0x172)));
        Assert.Equal(4, _ide.MasterStatus(1) & 7);
    }

    [Fact]
    public void Read_LastBlockThatTheImageLacks_IsZeros()
    {
        using NumberedDisk odd = new(5, isReadOnly: true); // one block, and a quarter of another
        using IdeBench ide = new(disc: odd);
        ide.PacketReply([0x00]);

        byte[] data = ide.PacketReply([0x28, 0, 0, 0, 0, 0, 0, 0, 2]);

        Assert.Equal((byte[])[.. odd.Bytes, .. new byte[4096 - (5 * 512)]], data);
    }

    [Theory]
    [InlineData(0x28, 0, 0, 0, Blocks, 0, 0, 1)]
    [InlineData(0x28, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1)]
    public void Read_BeyondTheEnd_IsRefusedWithSense(params int[] bytes)
    {
        byte[] packet = [(byte)bytes[0], 0, .. bytes[1..].Select(value => (byte)value)];

        _ide.Packet(packet);

        Assert.Equal((0x51, 0x54), (_ide.In(0x177), _ide.In(0x171)));
        byte[] sense = _ide.PacketReply([0x03, 0, 0, 0, 18]);
        Assert.Equal((5, 0x21), (sense[2], sense[12]));
    }

    [Fact]
    public void Eject_Disc_IsOnTheTrayAndTold()
    {
        _ide.Packet([0x1B, 0, 0, 0, 2]);

        byte[] told = Event();
        _ide.Packet([0x00]);

        Assert.Equal((3, 1), (told[4], told[5]));
        Assert.Equal(0x24, _ide.In(0x171)); // not ready
        Assert.Equal((true, true), (_ide.Drive.IsOpen, _ide.Drive.HasMedium));
    }

    [Fact]
    public void Load_TrayWithADisc_HasItAgain()
    {
        _ide.Packet([0x1B, 0, 0, 0, 2]);

        _ide.Packet([0x1B, 0, 0, 0, 3]);
        byte[] told = Event();
        _ide.Packet([0x00]);
        Assert.Equal((2, 2, 0x64), (told[4], told[5], _ide.In(0x171))); // it may be another one

        Assert.Equal(_ide.Disc.Bytes[..2048], _ide.PacketReply([0x28, 0, 0, 0, 0, 0, 0, 0, 1]));
    }

    [Fact]
    public void Eject_LockedDisc_IsRefused()
    {
        _ide.Packet([0x1E, 0, 0, 0, 1]);

        _ide.Packet([0x1B, 0, 0, 0, 2]);

        Assert.Equal(0x51, _ide.In(0x177));
        Assert.Equal((false, true), (_ide.Drive.IsOpen, _ide.Drive.IsLocked));
    }

    [Fact]
    public void Exchange_AnotherDisc_IsToldTwiceAndRead()
    {
        using NumberedDisk other = new(8, isReadOnly: true);

        Assert.Same(_ide.Disc, _ide.Drive.Exchange(other));

        byte[] told = Event();
        _ide.Packet([0x00]);
        Assert.Equal((2, 2, 0x64), (told[4], told[5], _ide.In(0x171)));
        Assert.Equal(0x28, _ide.PacketReply([0x03, 0, 0, 0, 18])[12]);
        Assert.Equal(1, BinaryPrimitives.ReadInt32BigEndian(_ide.PacketReply([0x25])));
        Assert.Equal(0, Event()[4]); // once
    }

    [Fact]
    public void Exchange_ForNothing_LeavesAnEmptyShutDrive()
    {
        _ide.Packet([0x1E, 0, 0, 0, 1]);

        _ide.Drive.Exchange(null)?.Dispose();

        byte[] told = Event();
        _ide.Packet([0x00]);
        Assert.Equal((3, 0, 0x24), (told[4], told[5], _ide.In(0x171)));
        Assert.Equal((false, false, false), (_ide.Drive.HasMedium, _ide.Drive.IsOpen, _ide.Drive.IsLocked));
    }

    [Fact]
    public void Exchange_WhileTheGuestReads_FailsTheCommand()
    {
        using NumberedDisk other = new(8, isReadOnly: true);
        _ide.Packet([0x28, 0, 0, 0, 0, 3, 0, 0, 2], limit: 2048);
        _ide.ReadData(100, 0x170);

        _ide.Drive.Exchange(other)?.Dispose();

        Assert.Equal((0x51, 0x64), (_ide.In(0x177), _ide.In(0x171)));
        Assert.Equal(new byte[2], _ide.ReadData(2, 0x170));
    }

    [Fact]
    public void Exchange_WhileTheBusMasterWaits_EndsIt()
    {
        using NumberedDisk other = new(8, isReadOnly: true);
        _ide.Describe((IdeBench.Buffer, 4096));
        _ide.Packet([0x28, 0, 0, 0, 0, 1, 0, 0, 2], isDma: true);
        _ide.Drive.Exchange(other)?.Dispose();

        _ide.StartMaster(toMemory: true, channel: 1);

        Assert.Equal((0x51, 0x64), (_ide.In(0x177), _ide.In(0x171)));
        Assert.Equal(new byte[4096], _ide.Ram.Slice((int)IdeBench.Buffer, 4096).ToArray());
    }

    [Fact]
    public void RequestEject_IsToldAsAnEvent()
    {
        _ide.Drive.RequestEject();

        byte[] told = Event();

        Assert.Equal((1, 2), (told[4], told[5]));
    }

    [Fact]
    public void Status_OfABusyDrive_SleepsUntilItIsNot()
    {
        using IdeBench ide = new(isSynchronous: false);
        ide.PacketReply([0x00]);

        ide.Packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1]);
        Assert.True(SpinWait.SpinUntil(() => (ide.In(0x177) & 0x80) == 0, TimeSpan.FromSeconds(30)));

        Assert.Equal(ide.Disc.Bytes[..2048], ide.ReadData(2048, 0x170));
    }

    [Fact]
    public void Toc_OneTrack_EndsAtTheLeadOut()
    {
        byte[] toc = _ide.PacketReply([0x43, 0, 0, 0, 0, 0, 0, 0, 0xFF]);

        Assert.Equal(20, toc.Length);
        Assert.Equal((1, 0xAA, Blocks), (toc[6], toc[14], BinaryPrimitives.ReadInt32BigEndian(toc.AsSpan(16))));
    }

    [Fact]
    public void Reply_LessWanted_IsCut() => Assert.Equal(5, _ide.PacketReply([0x12, 0, 0, 0, 5]).Length);

    [Fact]
    public void Command_Unknown_IsIllegal()
    {
        _ide.Packet([0xF1]);

        byte[] sense = _ide.PacketReply([0x03, 0, 0, 0, 18]);
        Assert.Equal((5, 0x20), (sense[2], sense[12]));
    }

    [Fact]
    public void Read_BrokenDisc_IsAMediumError()
    {
        _ide.Disc.IsBroken = true;

        _ide.Packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1]);

        Assert.Equal((0x51, 0x34), (_ide.In(0x177), _ide.In(0x171)));
    }

    [Fact]
    public void State_InTheMiddleOfARead_GoesOnElsewhere()
    {
        _ide.Packet([0x28, 0, 0, 0, 0, 7, 0, 0, 1], limit: 1024);
        byte[] begun = _ide.ReadData(100, 0x170);
        using IdeBench other = new();

        other.Second.LoadState(_ide.Second.SaveState());

        Assert.Equal(
            _ide.Disc.Bytes[(7 * 2048)..(8 * 2048)], (byte[])[.. begun, .. other.ReadData(924, 0x170), .. other.ReadData(1024, 0x170)]);
    }

    [Fact]
    public void State_OfAnOpenTray_OpensTheOthersAndBack()
    {
        IdeChannelState before = _ide.Second.SaveState();
        _ide.Packet([0x1B, 0, 0, 0, 2]);
        using IdeBench other = new();

        other.Second.LoadState(_ide.Second.SaveState());
        Assert.True(other.Drive.IsOpen);
        other.Second.LoadState(before);

        Assert.False(other.Drive.IsOpen);
        Assert.Equal(other.Disc.Bytes[..2048], other.PacketReply([0x28, 0, 0, 0, 0, 0, 0, 0, 1]));
    }

    [Fact]
    public void IdeChannel_ReplyUnderWay_HoldsTheContract()
    {
        _ide.Packet([0x12, 0, 0, 0, 36], limit: 20);
        _ide.ReadData(4, 0x170);

        UnitContract.Check(_ide.Second, (property, old) => property.Name switch
        {
            nameof(IdeDriveState.Status) => (byte)0x50,
            nameof(IdeTransfer.Kind) => IdeTransferKind.None,
            nameof(IdeTransfer.Length) => 40L,
            nameof(IdeTransfer.Start) => 2048L,
            nameof(IdeTransfer.Done) => 18L,
            nameof(IdeTransfer.Filled) => 19,
            nameof(IdeTransfer.Moved) => 6,
            nameof(IdeChannelState.MasterCommand) => (byte)9,
            nameof(IdeChannelState.MasterStatus) => (byte)4,
            nameof(IdeChannelState.MasterTable) => 0x40u,
            _ => null,
        });
    }

    [Fact]
    public void Ports_RandomUse_NeverThrow()
    {
        Random random = new(1301);
        byte[] commands = [
            0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x3D, 0x06, 0x08, 0x90, 0x91, 0xA0, 0xA1, 0xC4, 0xC5, 0xC6, 0xC8, 0xCA, 0xE7,
            0xEC, 0xEF, 0xF8];
        int[] ports = [
            0x1F0, 0x1F1, 0x1F2, 0x1F3, 0x1F4, 0x1F5, 0x1F6, 0x1F7, 0x3F6, 0x170, 0x171, 0x172, 0x174, 0x175, 0x176, 0x177, 0x376, 0xC000,
            0xC002, 0xC004, 0xC008, 0xC00A, 0xC00C];
        for (int i = 0; i < 300_000; i++)
        {
            int port = ports[random.Next(ports.Length)];
            Core.Bus.AccessWidth width = random
                .Next(4) switch { 0 => Core.Bus.AccessWidth.Word, 1 => Core.Bus.AccessWidth.Dword, _ => Core.Bus.AccessWidth.Byte };
            if (random.Next(3) == 0)
            {
                _ide.Ports.Read((ushort)port, width);
            }
            else
            {
                int value = (port & 7) == 7 && random.Next(3) > 0
                    ? commands[random.Next(commands.Length)]
                    : random.Next(8) == 0
                    ? random.Next()
                    : random.Next(256);
                _ide.Ports.Write((ushort)port, width, (uint)value);
            }
        }

        _ide.First.Reset();
        _ide.Command(0x20, 0, 1);
        Assert.Equal(0x58, _ide.In(0x1F7));
    }

    public void Dispose() => _ide.Dispose();

    private byte[] Event() => _ide.PacketReply([0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8]);
}
