using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Storage;
using Strata.Devices.Storage.Ahci;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>Serial ATA AHCI 1.3.1.</summary>
public sealed class AhciTests : IDisposable
{
    private const byte ReadDmaExt = 0x25;
    private const byte WriteDmaExt = 0x35;
    private const byte ReadQueued = 0x60;
    private const byte WriteQueued = 0x61;
    private const ulong Data = AhciBench.Data;
    private const ulong Fis = AhciBench.Fis;

    private readonly AhciBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Registers_AfterReset_ShowTwoDrives()
    {
        Assert.Equal(0xC1_24_1F05u, _bench.Read(0x00));
        Assert.Equal(0x3Fu, _bench.Read(0x0C));
        Assert.Equal(0x0001_0301u, _bench.Read(0x10));
        Assert.Equal([0x123u, 0x123u, 0u], Enumerable.Range(0, 3).Select(port => _bench.Port(0x28, port)));
        Assert.Equal([0x0101u, 0xEB14_0101u], Enumerable.Range(0, 2).Select(port => _bench.Port(0x24, port)));
    }

    [Fact]
    public void Identify_Disk_IsAPioCommandWithItsFrame()
    {
        _bench.Start();

        uint taskFile = _bench.Execute(0xEC, places: (Data, 512));

        Assert.Equal(0x50u, taskFile);
        Assert.Equal(2u, _bench.Port(0x10));
        Assert.Equal(0x5F, _bench.Bytes(Fis + 0x20, 1)[0]);
        byte[] words = _bench.Bytes(Data, 512);
        Assert.Equal((31, 0x0106, 0), (Word(words, 75), Word(words, 76), Word(words, 93)));
        Assert.Equal(4096u, BinaryPrimitives.ReadUInt32LittleEndian(words.AsSpan(200)));
    }

    [Fact]
    public void Read_ByDma_FillsItsPlacesAndInterrupts()
    {
        _bench.Start();

        _bench.Execute(ReadDmaExt, block: 100, count: 4, places: [(Data, 700), (Data + 0x1000, 1348)]);

        Assert.Equal(_bench.Disk.Bytes[(100 * 512)..((100 * 512) + 700)], _bench.Bytes(Data, 700));
        Assert.Equal(_bench.Disk.Bytes[((100 * 512) + 700)..(104 * 512)], _bench.Bytes(Data + 0x1000, 1348));
        Assert.Equal(2048u, BinaryPrimitives.ReadUInt32LittleEndian(_bench.Bytes(0x1_0004, 4))); // PRDBC
        Assert.True(_bench.IsLineHigh);
        Assert.Equal(1u, _bench.Read(0x08));
        _bench.SetPort(0x10, uint.MaxValue);
        _bench.Write(0x08, 1);
        Assert.False(_bench.IsLineHigh);
    }

    [Fact]
    public void Write_ByDma_ReachesTheDisk()
    {
        _bench.Start();
        _bench.Memory.TryWriteBytes(Data, Enumerable.Repeat((byte)0xA5, 1024).ToArray());

        Assert.Equal(0x50u, _bench.Execute(WriteDmaExt, block: 9, count: 2, writes: true, places: (Data, 1024)));

        Assert.Equal(
            (8, 0xA5, 0xA5, 11),
            (_bench.Disk.Sector(8)[0], _bench.Disk.Sector(9)[0], _bench.Disk.Sector(10)[511], _bench.Disk.Sector(11)[0]));
    }

    [Fact]
    public void Queued_SeveralCommands_AreDoneByTheirTags()
    {
        _bench.Start();
        _bench.SetPort(0x34, 0b1100);
        _bench.Issue(2, ReadQueued, 20, 1, 0, writes: false, 0, null, (Data, 512));
        _bench.Issue(3, WriteQueued, 30, 1, 0, writes: true, 0, null, (Data, 512));

        Assert.Equal(0u, _bench.Port(0x34));
        Assert.Equal(0u, _bench.Port(0x38));
        Assert.Equal(8u, _bench.Port(0x10));
        Assert.Equal(20, _bench.Disk.Sector(30)[100]);
        Assert.Equal(0xA1, _bench.Bytes(Fis + 0x58, 1)[0]);
    }

    [Fact]
    public void Queued_Failure_IsInTheLogAndStopsThePort()
    {
        _bench.Start();
        _bench.SetPort(0x34, 1u << 5);
        _bench.Issue(5, ReadQueued, 5000, 1, 0, writes: false, 0, null, (Data, 512));

        Assert.Equal(1u << 5, _bench.Port(0x34));
        Assert.NotEqual(0u, _bench.Port(0x10) & (1 << 30));
        _bench.Issue(1, ReadDmaExt, 0, 1, 0, writes: false, 0, null, (Data, 512));
        Assert.Equal(2u, _bench.Port(0x38)); // nothing is taken
        _bench.SetPort(0x18, 0x10);
        Assert.Equal((0u, 0u), (_bench.Port(0x38), _bench.Port(0x18) & 0x8000));
        _bench.SetPort(0x10, uint.MaxValue);
        _bench.SetPort(0x18, 0x11);
        Assert.Equal(0x50u, _bench.Execute(0x2F, block: 0x10, places: (Data, 512)));
        byte[] log = _bench.Bytes(Data, 512);
        Assert.Equal((5, 0x51, 0x10), (log[0], log[2], log[3]));
        Assert.Equal(0, (byte)log.Sum(value => value));
    }

    [Theory]
    [InlineData(0x25, 4096UL, 0x1051u)] // no such sector
    [InlineData(0xA1, 0UL, 0x0451u)]    // no CD drive
    [InlineData(0x77, 0UL, 0x0050u)]    // an old seek
    public void Command_WithoutData_EndsAsItMust(byte command, ulong block, uint taskFile)
    {
        _bench.Start();

        Assert.Equal(taskFile, _bench.Execute(command, block, places: (Data, 512)));
    }

    [Fact]
    public void Read_TableTooShort_Fails()
    {
        _bench.Start();

        Assert.Equal(0x0451u, _bench.Execute(ReadDmaExt, count: 2, places: (Data, 512)));
    }

    [Fact]
    public void Read_PlaceThatIsNoRam_Fails()
    {
        _bench.Start();

        Assert.Equal(0x0451u, _bench.Execute(ReadDmaExt, places: (0x7000_0000, 512)));
    }

    [Fact]
    public void Read_DiskFails_Fails()
    {
        _bench.Start();
        _bench.Disk.Fails = true;

        Assert.Equal(0x51u, _bench.Execute(ReadDmaExt, places: (Data, 512)) & 0xFF);
    }

    [Fact]
    public void Packet_Read_FillsMemoryFromTheDisc()
    {
        _bench.Start();
        byte[] read = new byte[16];
        (read[0], read[5], read[8]) = (0x28, 3, 2);
        _bench.Execute(0xA0, port: 1, features: 1, packet: new byte[16], places: (Data, 4096)); // takes the attention
        Restart(1);

        Assert.Equal(0x50u, _bench.Execute(0xA0, port: 1, features: 1, packet: read, places: (Data, 4096)));

        Assert.Equal(_bench.Disc.Bytes[(3 * 2048)..(5 * 2048)], _bench.Bytes(Data, 4096));
    }

    [Fact]
    public void Packet_Inquiry_IsACdDrive()
    {
        _bench.Start();
        byte[] inquiry = new byte[16];
        (inquiry[0], inquiry[4]) = (0x12, 36);

        Assert.Equal(0x50u, _bench.Execute(0xA0, port: 1, packet: inquiry, places: (Data, 36)));

        Assert.Equal(5, _bench.Bytes(Data, 1)[0]);
    }

    [Fact]
    public void SoftwareReset_EndedByASecondFrame_PostsTheSignature()
    {
        _bench.Start();
        Control(0x04);
        Control(0x00);

        Assert.Equal(0x0150u, _bench.Port(0x20));
        Assert.Equal(0u, _bench.Port(0x38));
        byte[] fis = _bench.Bytes(Fis + 0x40, 20);
        Assert.Equal((0x34, 1, 1), (fis[0], fis[12], fis[4]));
    }

    [Fact]
    public void ComReset_OnAPort_PresentsTheDriveAnew()
    {
        _bench.Start();
        _bench.SetPort(0x2C, 0x301);
        Assert.Equal(0u, _bench.Port(0x28));

        _bench.SetPort(0x2C, 0x300);

        Assert.Equal(0x123u, _bench.Port(0x28));
        Assert.Equal(1u << 26, _bench.Port(0x30));
        Assert.Equal(1u << 6, _bench.Port(0x10) & (1 << 6));
        _bench.SetPort(0x30, uint.MaxValue);
        Assert.Equal(0u, _bench.Port(0x10) & (1 << 6));
    }

    [Fact]
    public void ControllerReset_Asked_ClearsAllAndItself()
    {
        _bench.Start();

        _bench.Write(0x04, 0x8000_0003);

        Assert.Equal(0x8000_0000u, _bench.Read(0x04));
        Assert.Equal((0u, 6u), (_bench.Port(0x00), _bench.Port(0x18)));
    }

    [Fact]
    public void Read_WithAThread_Completes()
    {
        using AhciBench bench = new AhciBench(isSynchronous: false).Start();

        for (ulong block = 0; block < 40; block++)
        {
            Assert.Equal(0x50u, bench.Execute(ReadDmaExt, block, places: (Data, 512)));
            Assert.Equal((byte)block, bench.Bytes(Data, 1)[0]);
        }
    }

    [Fact]
    public void Contract_InUse_Holds()
    {
        using AhciController controller = new(
            _bench.Memory, [.. Enumerable.Range(0, 6).Select(_ => new AtaDisk(new MemoryDisk(64), "serial"))]);
        IUnit<AhciState> unit = (IUnit<AhciState>)controller.Units.Last();

        UnitContract.Check(unit, (property, old) => property.Name switch
        {
            nameof(AhciState.Control) when property.DeclaringType == typeof(AhciState) => 0x8000_0002u,
            nameof(AhciPortState.Drive) => WithAddress((IdeDriveState)old!),
            nameof(AhciPortState.Command) => (uint)old! | 0x11,
            _ => null,
        });
    }

    [Fact]
    public void Load_InAnotherMachine_GoesOn()
    {
        _bench.Start();
        using AhciBench other = new();
        other.Memory.TryWriteBytes(0x1_0000, _bench.Bytes(0x1_0000, 0x1_0000));

        ((IUnit<AhciState>)other.Controller.Units.Last()).LoadState(((IUnit<AhciState>)_bench.Controller.Units.Last()).SaveState());

        Assert.Equal(0x50u, other.Execute(ReadDmaExt, 7, places: (Data, 512)));
        Assert.Equal(7, other.Bytes(Data, 1)[0]);
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomCommandsAndRegisters_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        ulong[] places = [Data, Data + 1, 0x1_0000, 0x1_4000, 0x7000_0000, ulong.MaxValue - 1000];
        byte[] commands = [
            0x25, 0x35, 0x60, 0x61, 0xEC, 0xA0, 0xA1, 0x06, 0xEF, 0xE7, 0x2F, 0xC8, 0xCA, 0x20, 0x30, 0xC4, 0x27, 0x08, 0x90];
        byte[] noise = new byte[0x8000];
        _bench.Start();
        for (int i = 0; i < 4_000; i++)
        {
            int port = random.Next(2);
            if (random.Next(60) == 0)
            {
                random.NextBytes(noise);
                _bench.Memory.TryWriteBytes(0x1_0000, noise);
            }

            if (random.Next(15) == 0)
            {
                _bench.Write(random.Next(0x300) & ~3, (uint)random.NextInt64());
            }

            if (random.Next(10) == 0)
            {
                _bench.SetPort(0x18, 0x10, port);
                _bench.Start();
            }

            byte[]? packet = random.Next(3) == 0 ? new byte[16] : null;
            random.NextBytes(packet ?? []);
            _bench.Issue(
                random.Next(32), random.Next(10) == 0
                    ? (byte)random.Next(256)
                    : commands[random.Next(commands.Length)], (ulong)random.Next(5000), random.Next(300),
                port, random.Next(2) == 0, (byte)random.Next(4), packet,
                (places[random.Next(places.Length)], 1 + random.Next(10_000)),
                (places[random.Next(places.Length)], 1 + random.Next(0x10_0000)));
        }

        IUnit<AhciState> unit = (IUnit<AhciState>)_bench.Controller.Units.Last();
        unit.LoadState(unit.SaveState());
        Assert.Equal(4096 * 512, _bench.Disk.Bytes.Length);
    }

    private static IdeDriveState WithAddress(IdeDriveState state)
    {
        state.Address = [9, 8, 7, 6];
        return state;
    }

    private static int Word(byte[] bytes, int index) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(index * 2));

    private void Restart(int port)
    {
        _bench.SetPort(0x18, 0x10, port);
        _bench.SetPort(0x10, uint.MaxValue, port);
        _bench.SetPort(0x18, 0x11, port);
    }

    /// <summary>A frame that writes the device control register only.</summary>
    private void Control(byte value)
    {
        byte[] fis = new byte[0x80];
        (fis[0], fis[15]) = (0x27, value);
        _bench.Memory.TryWriteBytes(0x1_4000, fis);
        _bench.Memory.Write(0x1_0000, AccessWidth.Qword, 5);
        _bench.Memory.Write(0x1_0008, AccessWidth.Qword, 0x1_4000);
        _bench.SetPort(0x38, 1);
    }
}
