using Strata.Core.Bus;
using Strata.Virtio.Block;
using Strata.Virtio.Tests.Harness;
using static Strata.Virtio.Tests.Harness.BlockDriver;

namespace Strata.Virtio.Tests.Block;

/// <summary>Several request queues. VIRTIO 1.2, "Block Device", "Virtqueues" and VIRTIO_BLK_F_MQ.</summary>
public sealed class BlockQueueTests : IDisposable
{
    private const int Queues = 3;
    private const int Sectors = 64;
    private const ulong Features = VirtioDriver.Version1 | FeatureMq | FeatureFlush;

    private readonly MemoryDisk _disk = new(Sectors);
    private readonly VirtioDriver _driver;

    public BlockQueueTests()
    {
        new Random(3).NextBytes(_disk.Bytes);
        _driver = new VirtioDriver(space => new VirtioBlock(space, _disk, "x", Queues));
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Configuration_SeveralQueues_SaysHowMany()
    {
        Assert.Equal(FeatureMq, _driver.OfferedFeatures() & FeatureMq);
        Assert.Equal((ulong)Queues, _driver.ReadDevice(34, AccessWidth.Word));
        Assert.Equal((ulong)Queues, _driver.ReadCommon(0x12, AccessWidth.Word));
    }

    [Fact]
    public void Configuration_OneQueue_OffersNoMore()
    {
        using MemoryDisk disk = new(8);
        using VirtioDriver driver = new(space => new VirtioBlock(space, disk, "x"));

        Assert.Equal(0UL, driver.OfferedFeatures() & FeatureMq);
        Assert.Equal(1UL, driver.ReadDevice(34, AccessWidth.Word));
        Assert.Equal(1UL, driver.ReadCommon(0x12, AccessWidth.Word));
    }

    [Fact]
    public void Requests_InEveryQueue_AreServedAndSignalledByTheirOwnVector()
    {
        BlockDriver block = Start();
        _driver.EnableMsixOfQueues(Queues);

        for (int queue = Queues - 1; queue >= 0; queue--)
        {
            Assert.Equal(Ok, block.Request(In, (ulong)queue + 5, 512, toGuest: true, queue));
            Assert.Equal(_disk.Bytes.AsSpan((queue + 5) * 512, 512), block.Data(queue)[..512]);
        }

        VirtioDriver.WaitUntil(() => _driver.MessageCount == Queues, "a message for each queue");
        Assert.Equal([0x42U, 0x41U, 0x40U], _driver.Messages());
    }

    [Fact]
    public void Request_WhileAnotherQueueWaitsForTheDisk_IsServed()
    {
        using ManualResetEventSlim disk = new();
        _disk.BeforeRead = offset =>
        {
            if (offset == 0)
            {
                disk.Wait();
            }
        };
        BlockDriver block = Start();
        block.Submit(In, 0, 512, toGuest: true, queue: 0);

        Assert.Equal(Ok, block.Request(In, 1, 512, toGuest: true, queue: 1));

        Assert.Equal(0xFF, block.Status(0));
        disk.Set();
        VirtioDriver.WaitUntil(() => block.Status(0) == Ok, "the first request");
    }

    [Fact]
    public void Queue_EnabledAloneAndLast_IsServed()
    {
        Assert.True(_driver.Negotiate(Features));
        DriverRing[] rings = [
            .. Enumerable.Range(0, Queues).Select(i => new DriverRing(_driver.Memory, 0x1000UL + ((ulong)i * 0x1_0000), 16))];
        _driver.EnableQueue(16, rings[2].Descriptors, rings[2].Available, rings[2].Used, 2);
        _driver.Status = VirtioDriver.Acknowledged | VirtioDriver.FeaturesOk | VirtioDriver.DriverOk;
        _driver.Notify(0);
        _driver.Notify(Queues); // there is none
        _driver.Notify(1000);

        Assert.Equal(Ok, new BlockDriver(_driver, rings).Request(In, 1, 512, toGuest: true, queue: 2));
    }

    [Fact]
    public void Reset_InTheMiddleOfRequests_LeavesNothingBehind()
    {
        for (int round = 0; round < 200; round++)
        {
            BlockDriver block = Start();
            for (int queue = 0; queue < Queues; queue++)
            {
                block.Submit(In, 0, 4096, toGuest: true, queue);
            }

            Thread.SpinWait(round * 10);
            _driver.Status = 0;
            for (int queue = 0; queue < Queues; queue++)
            {
                block.Data(queue).Clear(); // the memory is the driver's again
            }

            Assert.All(Enumerable.Range(0, Queues), queue => Assert.False(block.Data(queue).ContainsAnyExcept((byte)0)));
        }

        Assert.Equal(Ok, Start().Request(Flush, 0, 0, toGuest: false, queue: 1));
    }

    [Fact]
    public void Inspection_Device_ShowsEveryQueue()
    {
        Start();
        _driver.EnableMsixOfQueues(Queues);

        VirtioInspection seen = _driver.Function.InspectVirtio();

        Assert.Equal([0, 1, 2], seen.Queues.Select(queue => queue.Index));
        Assert.Equal(new int?[] { 0, 1, 2 }, seen.Queues.Select(queue => queue.Vector));
        Assert.All(seen.Queues, queue => Assert.True(queue.IsEnabled));
        Assert.Contains("MQ", seen.Negotiated);
    }

    private BlockDriver Start() => new(_driver, _driver.StartQueues(Features, Queues));
}
