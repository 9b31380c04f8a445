using System.Collections.Concurrent;
using Strata.Core.State;
using Strata.Virtio.Block;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.State;

/// <summary>A disk with requests under way is stopped, saved and put into another machine.</summary>
public sealed class BlockStateTests : IDisposable
{
    private readonly MemoryDisk _disk = NewDisk();
    private readonly MemoryDisk _otherDisk = NewDisk();
    private readonly VirtioDriver _driver;
    private readonly VirtioDriver _other;

    public BlockStateTests()
    {
        _driver = new VirtioDriver(memory => new VirtioBlock(memory, _disk, "serial"));
        _other = new VirtioDriver(memory => new VirtioBlock(memory, _otherDisk, "serial"));
    }

    public void Dispose()
    {
        _driver.Dispose();
        _other.Dispose();
    }

    [Fact]
    public async Task Quiesce_RequestsUnderWay_EndsTheOneAndKeepsTheOthers()
    {
        using ManualResetEventSlim started = new();
        using ManualResetEventSlim mayEnd = new();
        _disk.BeforeRead = _ =>
        {
            started.Set();
            mayEnd.Wait(TimeSpan.FromMinutes(1));
        };
        DriverRing ring = _driver.Start(size: 64);
        _driver.EnableMsix();
        Reads reads = new(_driver, ring);
        reads.Offer(Reads.Most);
        _driver.Notify();
        started.Wait(TimeSpan.FromMinutes(1));

        Task quiesced = Task.Run(_driver.Roster.Quiesce);
        Assert.NotSame(quiesced, await Task.WhenAny(quiesced, Task.Delay(50)));
        mayEnd.Set();
        await quiesced.WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal([0], reads.Completed());
        Assert.Single(_driver.Messages());
        _driver.Notify();
        Assert.False(SpinWait.SpinUntil(() => ring.UsedIndex != 1, 50));
        _driver.Roster.Resume();
        VirtioDriver.WaitUntil(() => ring.UsedIndex == Reads.Most, "the other reads");
        Assert.Equal(Enumerable.Range(0, Reads.Most), reads.Completed());
    }

    [Fact]
    public async Task Load_InAnotherMachine_EachRequestIsServedOnce()
    {
        ConcurrentQueue<long> served = [];
        using ManualResetEventSlim mayEnd = new();
        _disk.BeforeRead = offset =>
        {
            Assert.True(offset < 7 * 512 || mayEnd.Wait(TimeSpan.FromMinutes(1)));
            served.Enqueue(offset / 512);
        };
        _otherDisk.BeforeRead = offset => served.Enqueue(offset / 512);
        DriverRing ring = _driver.Start(VirtioDriver.Version1 | VirtioDriver.EventIndex, size: 64);
        _driver.EnableMsix();
        new Reads(_driver, ring).Offer(Reads.Most);
        _driver.Notify();
        VirtioDriver.WaitUntil(() => served.Count == 7, "seven reads");
        Task quiesced = Task.Run(_driver.Roster.Quiesce);
        await Task.WhenAny(quiesced, Task.Delay(50)); // the eighth has begun, or will not begin
        mayEnd.Set();
        await quiesced.WaitAsync(TimeSpan.FromMinutes(1));

        _driver.MoveTo(_other);
        _other.Roster.Resume();

        Reads reads = new(_other, new DriverRing(_other.Memory, ring.Descriptors, ring.Size));
        VirtioDriver.WaitUntil(() => reads.Completed().Length == Reads.Most, "all reads");
        Assert.Equal(Enumerable.Range(0, Reads.Most), reads.Completed());
        Assert.Equal(Enumerable.Range(0, Reads.Most).Select(read => (long)read), served);
        Assert.All(
            Enumerable.Range(0, Reads.Most),
            read => Assert.Equal((BlockDriver.Ok, (byte)(read + 1)), (reads.Status(read), reads.FirstByte(read))));
        Assert.Single([.. _driver.Messages(), .. _other.Messages()]); // used_event is 0: the driver wants to hear of the first alone
    }

    /// <summary>
    /// Stopped at any moment, put back into the same machine: nothing moves meanwhile, and no request or interrupt is lost or doubled.
    /// </summary>
    [Fact]
    public void Quiesce_AtAnyMoment_LosesNothing()
    {
        const int rounds = 400;
        Random random = new(11);
        DriverRing ring = _driver.Start(size: 64);
        _driver.EnableMsix();
        Reads reads = new(_driver, ring);
        for (int round = 0; round < rounds; round++)
        {
            int from = round * Reads.Most;
            reads.Offer(Reads.Most);
            _driver.Notify();
            Thread.SpinWait(random.Next(20_000));

            _driver.Roster.Quiesce();
            (int used, int messages) = (ring.UsedIndex, _driver.MessageCount);
            IReadOnlyList<UnitRecord> saved = _driver.Roster.Save();
            _driver.Roster.Reset();
            _driver.Roster.Load(saved);
            Assert.Equal((used, messages), (ring.UsedIndex, _driver.MessageCount));
            Assert.Equal(used, messages); // each completion has had its interrupt
            _driver.Roster.Resume();

            VirtioDriver.WaitUntil(() => _driver.MessageCount == from + Reads.Most, $"the interrupts of round {round}");
            Assert.Equal(
                Enumerable.Range(0, Reads.Most), Enumerable.Range(from, Reads.Most).Select(index => (int)ring.UsedEntry(index).Head / 3));
        }

        Assert.Equal((ushort)(rounds * Reads.Most), ring.UsedIndex);
        Assert.Equal(rounds * Reads.Most, _driver.MessageCount);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_CacheMode_IsWhatTheDriverChose(bool writeback)
    {
        BlockDriver requests = Start(_driver);
        _driver.WriteDevice(32, Core.Bus.AccessWidth.Byte, writeback ? 1UL : 0);

        _driver.Roster.Quiesce();
        _driver.MoveTo(_other);
        _other.Roster.Resume();

        Assert.Equal(writeback ? 1UL : 0, _other.ReadDevice(32, Core.Bus.AccessWidth.Byte));
        _other.WriteDevice(32, Core.Bus.AccessWidth.Byte, writeback ? 0 : 1UL);
        Assert.Equal(writeback ? 0UL : 1, _other.ReadDevice(32, Core.Bus.AccessWidth.Byte));
    }

    [Fact]
    public void Load_DiskOfAnotherSize_IsRefusedByName()
    {
        using MemoryDisk small = new(8);
        using VirtioDriver other = new(memory => new VirtioBlock(memory, small, "serial"));
        _driver.Roster.Quiesce();
        other.Roster.Quiesce();

        StateException error = Assert.Throws<StateException>(() => other.Roster.Load(_driver.Roster.Save()));

        Assert.Contains("pci/01.0/block", error.Message, StringComparison.Ordinal);
        Assert.Contains("Sectors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ReadOnlyDisk_RefusesFeaturesThatItLacks()
    {
        Start(_driver, BlockDriver.FeatureDiscard);
        using MemoryDisk readOnly = NewDisk(readOnly: true);
        using VirtioDriver other = new(memory => new VirtioBlock(memory, readOnly, "serial"));
        _driver.Roster.Quiesce();
        other.Roster.Quiesce();

        StateException error = Assert.Throws<StateException>(() => other.Roster.Load(_driver.Roster.Save()));

        Assert.Contains("DriverFeatures", error.Message, StringComparison.Ordinal);
    }

    private static BlockDriver Start(VirtioDriver driver, ulong features = 0) =>
        new(driver, [driver.Start(VirtioDriver.Version1 | BlockDriver.FeatureFlush | BlockDriver.FeatureConfigWce | features)]);

    private static MemoryDisk NewDisk(bool readOnly = false)
    {
        MemoryDisk disk = new(64, readOnly);
        for (int sector = 0; sector < 64; sector++)
        {
            disk.Bytes.AsSpan(sector * 512, 512).Fill((byte)(sector + 1));
        }

        return disk;
    }
}
