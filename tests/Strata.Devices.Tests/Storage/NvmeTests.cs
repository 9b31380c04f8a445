using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Devices.Storage.Nvme;
using Strata.Devices.Tests.Harness;

namespace Strata.Devices.Tests.Storage;

/// <summary>NVM Express Base Specification 1.4.</summary>
public sealed class NvmeTests : IDisposable
{
    private const byte Flush = 0;
    private const byte Write = 1;
    private const byte Read = 2;
    private const byte WriteZeroes = 8;
    private const byte DatasetManagement = 9;
    private const ulong Data = NvmeBench.Data;
    private const ulong List = 0x1_8000;

    private readonly NvmeBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Registers_AfterReset_SayWhatThereIs()
    {
        ulong capabilities = _bench.Read(0, AccessWidth.Qword);

        Assert.Equal(1023u, capabilities & 0xFFFF);
        Assert.Equal(1u, (capabilities >> 37) & 0xFF); // NVM command set
        Assert.Equal(0x0001_0400u, _bench.Read(8));
        Assert.Equal(0u, _bench.Status);
    }

    [Fact]
    public void Enable_WithQueues_BecomesReadyAndFallsBack()
    {
        _bench.Start();
        Assert.Equal(1u, _bench.Status);

        _bench.Write(0x14, 0x0046_0000);

        Assert.Equal(0u, _bench.Status);
    }

    [Fact]
    public void Enable_OtherPageSize_IsFatal()
    {
        _bench.Write(0x24, 0x000F_000F);
        _bench.Write(0x14, 0x0046_0081);

        Assert.Equal(2u, _bench.Status);
    }

    [Fact]
    public void Shutdown_Asked_FlushesAndSaysSo()
    {
        _bench.Start();

        _bench.Write(0x14, 0x0046_4001);

        Assert.Equal(9u, _bench.Status);
        Assert.Equal(1, _bench.Disk.Flushes);
    }

    [Fact]
    public void Identify_Controller_HasItsNames()
    {
        Assert.Equal(0, _bench.Start().Admin(6, Data, 1).Status);

        byte[] data = _bench.Bytes(Data, 4096);
        Assert.Equal("serial7             ", Encoding.ASCII.GetString(data, 4, 20));
        Assert.Equal((0x66, 0x44, 7), (data[512], data[513], data[77]));
        Assert.StartsWith("nqn.2014-08.", Encoding.ASCII.GetString(data, 768, 30), StringComparison.Ordinal);
    }

    [Fact]
    public void Identify_Namespace_HasTheDisksSize()
    {
        Assert.Equal(0, _bench.Start().Admin(6, Data, 0, space: 1).Status);

        byte[] data = _bench.Bytes(Data, 4096);
        Assert.Equal(4096, BinaryPrimitives.ReadInt64LittleEndian(data));
        Assert.Equal(9, data[130]);
        Assert.Equal(0x0B, _bench.Admin(6, Data, 0, space: 2).Status & 0xFF);
    }

    [Fact]
    public void Identify_ActiveNamespaces_AreTheOne()
    {
        _bench.Start().Admin(6, Data, 2);

        Assert.Equal([1, 0, 0, 0, 0, 0, 0, 0], _bench.Bytes(Data, 8));
    }

    [Fact]
    public void Read_OneBlock_FillsMemoryAndInterrupts()
    {
        _bench.Start();
        int messages = _bench.Sink.Messages.Count;

        Assert.Equal(0, _bench.Io(Read, block: 7));

        Assert.All(_bench.Bytes(Data, 512), value => Assert.Equal(7, value));
        Assert.Equal([(0xFEE0_1000UL, 0x41U)], _bench.Sink.Messages[messages..]);
    }

    [Fact]
    public void Read_WithoutMsix_HoldsTheLineUntilTheHeadMoves()
    {
        _bench.Start(withMsix: false);
        _bench.Submit(1, Read, Data, 0, 3, 0, 0, 1);

        Assert.True(_bench.Sink.Levels[^1].High);
        _bench.Write(0x0C, 2); // INTMS
        Assert.False(_bench.Sink.Levels[^1].High);
        _bench.Write(0x10, 2); // INTMC
        Assert.True(_bench.Sink.Levels[^1].High);
        Assert.NotNull(_bench.Take(1));
        Assert.False(_bench.Sink.Levels[^1].High);
    }

    [Fact]
    public void Read_TwoPagesFromTheMiddle_UsesBothEntries()
    {
        _bench.Start();

        Assert.Equal(0, _bench.Io(Read, block: 0, blocks: 8, prp1: Data + 2048, prp2: Data + 0x10000));

        Assert.Equal(_bench.Disk.Bytes[..2048], _bench.Bytes(Data + 2048, 2048));
        Assert.Equal(_bench.Disk.Bytes[2048..4096], _bench.Bytes(Data + 0x10000, 2048));
    }

    [Fact]
    public void Read_CutInsideASector_IsPutTogether()
    {
        _bench.Start();

        Assert.Equal(0, _bench.Io(Read, block: 0, blocks: 8, prp1: Data + 100, prp2: Data + 0x10000));

        Assert.Equal(_bench.Disk.Bytes[..3996], _bench.Bytes(Data + 100, 3996));
        Assert.Equal(_bench.Disk.Bytes[3996..4096], _bench.Bytes(Data + 0x10000, 100));
    }

    [Fact]
    public void Write_ByALinkedList_ReachesTheDisk()
    {
        _bench.Start();
        byte[] content = [.. Enumerable.Range(0, 16 * 4096).Select(i => (byte)(i * 7 / 5))];
        _bench.Memory.TryWriteBytes(Data, content);
        ulong list = List + 4096 - 32; // four entries, of which the last links to another list
        for (int page = 1; page < 16; page++)
        {
            ulong at = page <= 3 ? list + (ulong)((page - 1) * 8) : List + 0x2000 + (ulong)((page - 4) * 8);
            _bench.Memory.Write(at, AccessWidth.Qword, Data + (ulong)(page * 4096));
        }

        _bench.Memory.Write(list + 24, AccessWidth.Qword, List + 0x2000);

        Assert.Equal(0, _bench.Io(Write, block: 100, blocks: 128, prp2: list));

        Assert.Equal(content, _bench.Disk.Bytes[(100 * 512)..(228 * 512)]);
        Assert.Equal(228, _bench.Disk.Sector(228)[0]);
    }

    [Fact]
    public void Write_CacheOff_IsStable()
    {
        _bench.Start();
        Assert.Equal(0, _bench.Io(Write));
        Assert.Equal(0, _bench.Disk.Flushes);

        _bench.Admin(9, dword10: 6, dword11: 0);
        _bench.Io(Write);

        Assert.Equal(1, _bench.Disk.Flushes);
        Assert.Equal(0, _bench.Io(Flush));
        Assert.Equal(2, _bench.Disk.Flushes);
    }

    [Fact]
    public void WriteZeroes_Blocks_ClearsThem()
    {
        _bench.Start();

        Assert.Equal(0, _bench.Io(WriteZeroes, block: 5, blocks: 2));

        Assert.Equal(
            (4, 0, 0, 7), (_bench.Disk.Sector(4)[0], _bench.Disk.Sector(5)[0], _bench.Disk.Sector(6)[511], _bench.Disk.Sector(7)[0]));
    }

    [Fact]
    public void DatasetManagement_Deallocate_DiscardsRanges()
    {
        _bench.Start();
        byte[] ranges = new byte[32];
        BinaryPrimitives.WriteUInt32LittleEndian(ranges.AsSpan(4), 8);
        BinaryPrimitives.WriteUInt64LittleEndian(ranges.AsSpan(8), 16);
        BinaryPrimitives.WriteUInt32LittleEndian(ranges.AsSpan(20), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(ranges.AsSpan(24), 4095);
        _bench.Memory.TryWriteBytes(Data, ranges);

        Assert.Equal(0, _bench.Execute(1, DatasetManagement, Data, 0, 1, 4, 0, 1).Status);

        Assert.Equal([(16 * 512L, 8 * 512L), (4095 * 512L, 512L)], _bench.Disk.Discards);
    }

    [Theory]
    [InlineData(4096UL, 1, Data, 0UL, 1u, 0x080)]         // beyond the end
    [InlineData(4090UL, 7, Data, 0UL, 1u, 0x080)]
    [InlineData(ulong.MaxValue, 1, Data, 0UL, 1u, 0x080)]
    [InlineData(0UL, 1, Data, 0UL, 2u, 0x00B)]            // no such namespace
    [InlineData(0UL, 1, Data + 2, 0UL, 1u, 0x013)]        // not on a doubleword
    [InlineData(0UL, 16, Data, Data + 512, 1u, 0x013)]    // the second page not on a page
    [InlineData(0UL, 1, 0x7000_0000UL, 0UL, 1u, 0x004)]   // no RAM
    [InlineData(0UL, 64, Data, 0x7000_0000UL, 1u, 0x004)] // no list
    [InlineData(0UL, 2048, Data, List, 1u, 0x002)]        // more than MDTS
    public void Read_WhatCannotBe_SaysWhat(ulong block, int blocks, ulong prp1, ulong prp2, uint space, int status)
    {
        _bench.Start();

        Assert.Equal(status, _bench.Io(Read, block, blocks, prp1, prp2, space));
    }

    [Fact]
    public void Read_ListThatLinksToItself_Ends()
    {
        _bench.Start();
        ulong last = List + 4096 - 8;
        _bench.Memory.Write(last, AccessWidth.Qword, List);
        _bench.Memory.Write(List, AccessWidth.Qword, 0);

        int status = _bench.Io(Read, 0, 1024, Data, last);

        Assert.InRange(status, 0, 0x7FF);
    }

    [Fact]
    public void Read_DiskFails_IsAMediaError()
    {
        _bench.Start();
        _bench.Disk.Fails = true;

        Assert.Equal(0x281, _bench.Io(Read));
        Assert.Equal(0x280, _bench.Io(Write));
    }

    [Fact]
    public void Write_ProtectedDisk_IsRefused()
    {
        using NvmeBench bench = new NvmeBench(new MemoryDisk(64, isReadOnly: true)).Start();

        Assert.Equal(0x020, bench.Io(Write));
        Assert.Equal(0x020, bench.Io(WriteZeroes));
    }

    [Fact]
    public void Io_UnknownOpcode_IsRefused() => Assert.Equal(0x001, _bench.Start().Io(0x7F));

    [Fact]
    public void Features_QueueCount_IsAllThereAre()
    {
        using NvmeBench bench = new();
        bench.Start();

        Assert.Equal(0x000F_000Fu, bench.Admin(0x0A, dword10: 7).Result);
        Assert.Equal(0x00C, bench.Admin(9, dword10: 7, dword11: 0x0001_0001).Status); // queues exist
        Assert.Equal(0x002, bench.Admin(0x0A, dword10: 0x7F).Status);
    }

    [Theory]
    [InlineData(0x000F_0000u, 0x101)] // queue 0
    [InlineData(0x000F_0001u, 0x101)] // exists
    [InlineData(0x000F_0011u, 0x101)] // too many
    [InlineData(0x0000_0002u, 0x102)] // one entry
    [InlineData(0xFFFF_0002u, 0x102)]
    public void CreateQueue_Impossible_IsRefused(uint dword10, int status)
    {
        _bench.Start();

        Assert.Equal(status, _bench.Admin(5, 0x1_4000, dword10, 3).Status);
    }

    [Fact]
    public void DeleteQueues_InTheirOrder_Only()
    {
        _bench.Start();

        Assert.Equal(0x10C, _bench.Admin(4, dword10: 1).Status);
        Assert.Equal(0, _bench.Admin(0, dword10: 1).Status);
        Assert.Equal(0, _bench.Admin(4, dword10: 1).Status);
        Assert.Equal(0x101, _bench.Admin(4, dword10: 1).Status);
    }

    [Fact]
    public void EventRequest_DoorbellOfNoQueue_IsToldOnceUntilTheLogIsRead()
    {
        _bench.Start();
        _bench.Submit(0, 0x0C, 0, 0, 0, 0, 0, 0, id: 0x77);
        Assert.Null(_bench.Take(0));

        _bench.Write(0x1000 + (9 * 8), 1);
        _bench.Write(0x1000 + 8, 99);

        Assert.Equal((0, 0x0001_0000u, (ushort)0x77), _bench.Take(0));
        _bench.Submit(0, 0x0C, 0, 0, 0, 0, 0, 0, id: 0x78);
        Assert.Null(_bench.Take(0));
        _bench.Submit(0, 2, Data, 0, (15 << 16) | 1, 0, 0, 0, id: 0x79);
        Assert.Equal((0, 0x0001_0100u, (ushort)0x78), _bench.Take(0));
        Assert.Equal((0, 0u, (ushort)0x79), _bench.Take(0));
    }

    [Fact]
    public void EventRequests_TooMany_AreRefused_AndAbortFindsThem()
    {
        _bench.Start();
        for (ushort id = 0; id < 4; id++)
        {
            _bench.Submit(0, 0x0C, 0, 0, 0, 0, 0, 0, id);
        }

        Assert.Equal(0x105, _bench.Admin(0x0C).Status);
        _bench.Submit(0, 8, 0, 0, 2 << 16, 0, 0, 0, id: 0x99);
        Assert.Equal((0x007, (ushort)2), _bench.Take(0) is { } aborted ? (aborted.Status, aborted.Command) : default);
        Assert.Equal((0, 0u, (ushort)0x99), _bench.Take(0));
    }

    [Theory]
    [InlineData(1u, 0)]
    [InlineData(2u, 0)]
    [InlineData(3u, 0)]
    [InlineData(0x55u, 0x109)]
    public void LogPage_Asked_IsThereOrRefused(uint page, int status) =>
        Assert.Equal(status, _bench.Start().Admin(2, Data, (127 << 16) | page).Status);

    [Fact]
    public void Completions_QueueFull_WaitForTheGuest()
    {
        _bench.Start();
        for (int i = 0; i < 15; i++)
        {
            _bench.Submit(1, Read, Data, 0, (uint)i, 0, 0, 1);
        }

        _bench.Submit(1, Read, Data, 0, 99, 0, 0, 1);

        Assert.Equal(14, _bench.Bytes(Data, 1)[0]);
        Assert.NotNull(_bench.Take(1));
        Assert.Equal(99, _bench.Bytes(Data, 1)[0]);
    }

    [Fact]
    public void BusMaster_Off_FetchesNothingUntilItIsOn()
    {
        _bench.Start();
        _bench.Controller.WriteConfig(4, AccessWidth.Word, 2);
        _bench.Submit(1, Read, Data, 0, 9, 0, 0, 1);
        Assert.Null(_bench.Take(1));

        _bench.Controller.WriteConfig(4, AccessWidth.Word, 6);

        Assert.NotNull(_bench.Take(1));
    }

    [Fact]
    public void Contract_InUse_Holds()
    {
        _bench.Start();
        _bench.Submit(0, 0x0C, 0, 0, 0, 0, 0, 0, id: 4);
        _bench.Io(Read);
        IUnit<NvmeState> unit = (IUnit<NvmeState>)_bench.Controller.Units.Last();

        UnitContract.Check(unit, (property, old) => property.Name switch
        {
            nameof(NvmeState.Blocks) => 4096L,
            nameof(NvmeState.Config) => 0x0046_0011u,
            nameof(NvmeState.Status) => 3u,
            nameof(NvmeState.AdminAttributes) => 0x000F_0007u,
            nameof(NvmeSubmissionQueueState.Id) => old,
            nameof(NvmeSubmissionQueueState.CompletionQueue) => old,
            _ => null,
        });
    }

    [Fact]
    public void Load_InAnotherMachine_GoesOn()
    {
        _bench.Start();
        _bench.Io(Read, 3);
        using NvmeBench other = new NvmeBench().Start();
        other.Io(Read, 3); // its driver is as far as the first one's
        IUnit<NvmeState> unit = (IUnit<NvmeState>)other.Controller.Units.Last();
        unit.Reset();
        Assert.Equal(0u, other.Status);

        unit.LoadState(((IUnit<NvmeState>)_bench.Controller.Units.Last()).SaveState());

        Assert.Equal(0, other.Io(Read, 5));
        Assert.Equal(5, other.Bytes(Data, 1)[0]);
    }

    [Fact]
    public void Load_AnotherDisk_IsRefused()
    {
        using NvmeBench other = new(new MemoryDisk(8));
        IUnit<NvmeState> unit = (IUnit<NvmeState>)_bench.Controller.Units.Last();

        StateException error = Assert.Throws<StateException>(
            () => ((IUnit<NvmeState>)other.Controller.Units.Last()).LoadState(unit.SaveState()));

        Assert.Contains("4096 blocks", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_WithAThread_Completes()
    {
        using NvmeBench bench = new NvmeBench(isSynchronous: false).Start();

        for (ulong block = 0; block < 40; block++)
        {
            Assert.Equal(0, bench.Io(Read, block));
            Assert.Equal((byte)block, bench.Bytes(Data, 1)[0]);
        }
    }

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public void RandomCommandsAndRegisters_OfAHostileGuest_AlwaysEnd(int seed)
    {
        Random random = new(seed);
        ulong[] places = [0, Data, Data + 4, Data + 4092, List, List + 4088, 0x7000_0000, ulong.MaxValue - 4095, 0x1_0000, 0x1_3000];
        _bench.Start();
        byte[] noise = new byte[0x1_0000];
        for (int i = 0; i < 5_000; i++)
        {
            if (random.Next(50) == 0)
            {
                random.NextBytes(noise);
                _bench.Memory.TryWriteBytes(0x1_0000, noise);
            }

            if (random.Next(20) == 0)
            {
                _bench.Write(random.Next(0x80) & ~3, (uint)random.NextInt64());
            }

            if (random.Next(30) == 0)
            {
                _bench.Write(0x14, 0);
                _bench.Write(0x24, 0x000F_000F);
                _bench.Write(0x28, 0x1_0000, AccessWidth.Qword);
                _bench.Write(0x30, 0x1_1000, AccessWidth.Qword);
                _bench.Write(0x14, 0x0046_0001);
            }

            _bench.Submit(
                random.Next(2), (byte)random.Next(16), places[random.Next(places.Length)], places[random.Next(places.Length)],
                (uint)random.Next() >> random.Next(32), (uint)random.Next() >> random.Next(32), (uint)random.Next() >> random.Next(32),
                (uint)random.Next(3));
            _bench.Write(0x1000 + (random.Next(40) * 4), (uint)random.Next(20));
        }

        IUnit<NvmeState> unit = (IUnit<NvmeState>)_bench.Controller.Units.Last();
        unit.LoadState(unit.SaveState());
        Assert.Equal(4096 * 512, _bench.Disk.Bytes.Length);
    }
}
