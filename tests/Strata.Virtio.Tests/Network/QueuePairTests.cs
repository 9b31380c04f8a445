using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Virtio.Network;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Network;

/// <summary>
/// Several queue pairs and the control queue. VIRTIO 1.2, "Network Device", "Automatic receive steering in multiqueue mode".
/// </summary>
public sealed class QueuePairTests : IDisposable
{
    private const ulong Mergeable = 1 << 15;
    private const ulong ControlQueue = 1 << 17;
    private const ulong MultiQueue = 1 << 22;
    private const ulong Features = VirtioDriver.Version1 | VirtioDriver.EventIndex | Mergeable | ControlQueue | MultiQueue;
    private const int Pairs = 2;
    private const int Control = 2 * Pairs;
    private const int HeaderSize = 12;
    private const ulong Buffers = 0x8_0000;
    private const byte Ok = 0;
    private const byte Error = 1;

    private static readonly byte[] SetTwoPairs = [4, 0, 2, 0];

    private readonly RecordingBackend _network = new();
    private readonly VirtioDriver _driver;
    private VirtioNetwork _card = null!;
    private DriverRing[] _rings = null!;

    public QueuePairTests()
    {
        _driver = new VirtioDriver(space => _card = new VirtioNetwork(space, _network, [2, 3, 4, 5, 6, 7], pairs: Pairs));
        Start(Features);
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Configuration_SeveralPairs_SaysHowMany()
    {
        Assert.Equal(ControlQueue | MultiQueue, _driver.OfferedFeatures() & (ControlQueue | MultiQueue));
        Assert.Equal((ulong)Pairs, _driver.ReadDevice(8, AccessWidth.Word));
        Assert.Equal((2UL * Pairs) + 1, _driver.ReadCommon(0x12, AccessWidth.Word));
    }

    [Fact]
    public void Configuration_OnePair_HasAControlQueueForAnnouncements()
    {
        using VirtioDriver driver = new(space => new VirtioNetwork(space, new RecordingBackend(), [2, 3, 4, 5, 6, 7]));

        Assert.Equal(ControlQueue, driver.OfferedFeatures() & (ControlQueue | MultiQueue));
        Assert.Equal(3UL, driver.ReadCommon(0x12, AccessWidth.Word));
    }

    [Fact]
    public void Negotiate_SeveralPairsWithoutControlQueue_IsRefused()
    {
        Assert.False(_driver.Negotiate(Features & ~ControlQueue));
        Assert.True(_driver.Negotiate(Features & ~MultiQueue));
        Assert.True(_driver.Negotiate(Features));
    }

    [Fact]
    public void Receive_FlowSentFromASecondPair_ComesToThatPair()
    {
        Assert.Equal(Ok, Command(SetTwoPairs));
        byte[] flow = FlowFrame.Udp(1000, 53);

        foreach (int pair in new[] { 1, 0, 1 })
        {
            OfferReceive(pair);
            int before = _rings[pair * 2].UsedIndex;
            Transmit(pair, flow);

            Assert.True(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));

            Assert.Equal(before + 1, _rings[pair * 2].UsedIndex);
            _rings[pair * 2].UsedEvent = _rings[pair * 2].UsedIndex; // the driver has seen it
        }
    }

    [Fact]
    public void Receive_WhileTheDriverHasNotSeenTheLastFrame_StaysInItsPair()
    {
        Command(SetTwoPairs);
        byte[] flow = FlowFrame.Udp(1000, 53);
        for (int i = 0; i < 3; i++)
        {
            OfferReceive(0);
            OfferReceive(1);
        }

        Transmit(1, flow);
        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);
        Transmit(0, flow);
        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);
        Assert.Equal((0, 2), (_rings[0].UsedIndex, _rings[2].UsedIndex));

        _rings[2].UsedEvent = 1; // it has seen the first of two
        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);
        Assert.Equal((0, 3), (_rings[0].UsedIndex, _rings[2].UsedIndex));

        _rings[2].UsedEvent = 3;
        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);
        Assert.Equal((1, 3), (_rings[0].UsedIndex, _rings[2].UsedIndex));
    }

    [Fact]
    public void Transmit_WhileTheBackendHasTheFrame_KeepsItsBuffers()
    {
        int used = -1;
        _network.OnSend = () => used = _rings[1].UsedIndex;

        Transmit(0, FlowFrame.Udp(1, 2));

        Assert.Equal(0, used);
        Assert.Equal(1, _rings[1].UsedIndex);
    }

    [Fact]
    public void Receive_BeforeThePairsAreSet_ComesToTheFirst()
    {
        OfferReceive(0);
        OfferReceive(1);
        byte[] flow = FlowFrame.Udp(1000, 53);
        Transmit(1, flow);

        Assert.True(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));

        Assert.Equal((1, 0), (_rings[0].UsedIndex, _rings[2].UsedIndex));
    }

    [Fact]
    public void Receive_FewerPairsThanBefore_ComesToTheFirst()
    {
        OfferReceive(0);
        OfferReceive(1);
        byte[] flow = FlowFrame.Udp(1000, 53);
        Command(SetTwoPairs);
        Transmit(1, flow);

        Assert.Equal(Ok, Command(4, 0, 1, 0));
        Assert.True(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));

        Assert.Equal((1, 0), (_rings[0].UsedIndex, _rings[2].UsedIndex));
    }

    [Fact]
    public void Receive_FramesOfUnknownFlows_ComeToBothPairs()
    {
        Command(SetTwoPairs);
        for (int i = 0; i < 16; i++)
        {
            OfferReceive(0);
            OfferReceive(1);
        }

        for (ushort port = 1; port <= 16; port++)
        {
            Assert.True(_card.TryReceive(FlowFrame.Udp(port, 7), [], FrameOffload.None));
        }

        Assert.InRange(_rings[0].UsedIndex, 3, 13);
        Assert.Equal(16, _rings[0].UsedIndex + _rings[2].UsedIndex);
    }

    [Fact]
    public void Receive_PairWhoseQueueIsNotEnabled_ComesToTheFirst()
    {
        Assert.True(_driver.Negotiate(Features));
        foreach (int queue in new[] { Control, 3, 1, 0 }) // not 2
        {
            DriverRing ring = _rings[queue];
            _driver.Memory.Slice(ring.Descriptors, (int)(ring.Used - ring.Descriptors) + 6 + (8 * ring.Size)).Clear();
            _driver.EnableQueue(ring.Size, ring.Descriptors, ring.Available, ring.Used, queue);
        }

        _driver.Status = VirtioDriver.Acknowledged | VirtioDriver.FeaturesOk | VirtioDriver.DriverOk;
        OfferReceive(0);
        byte[] flow = FlowFrame.Udp(1000, 53);
        Assert.Equal(Ok, Command(SetTwoPairs));
        Transmit(1, flow);

        Assert.True(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));

        Assert.Equal(1, _rings[0].UsedIndex);
    }

    [Fact]
    public void Command_WhileABackendWaitsForAPair_CallsItWhenThePairIsNoLongerUsed()
    {
        Command(SetTwoPairs);
        byte[] flow = FlowFrame.Udp(1000, 53);
        Transmit(1, flow);
        Assert.False(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));
        int before = _network.Resumes;

        Command(4, 0, 1, 0);

        VirtioDriver.WaitUntil(() => _network.Resumes > before, "the backend's call");
    }

    [Theory]
    [InlineData(new byte[] { 4, 0, 0, 0 })]           // no pair
    [InlineData(new byte[] { 4, 0, Pairs + 1, 0 })]   // more than there are
    [InlineData(new byte[] { 4, 0, 0xFF, 0xFF })]
    [InlineData(new byte[] { 4, 0, 1 })]              // too short
    [InlineData(new byte[] { 4, 0, 1, 0, 0 })]        // too long
    [InlineData(new byte[] { 4, 0 })]
    [InlineData(new byte[] { 4 })]
    [InlineData(new byte[] { 4, 1, 1, 0 })]           // RSS, which was not offered
    [InlineData(new byte[] { 0, 0, 1, 0 })]           // promiscuous mode, neither
    [InlineData(new byte[] { 0xFF, 0xFF, 1, 0 })]
    public void Command_ThatIsWrong_IsAnErrorAndChangesNothing(byte[] command)
    {
        Command(SetTwoPairs);
        OfferReceive(0);
        OfferReceive(1);
        byte[] flow = FlowFrame.Udp(1000, 53);
        Transmit(1, flow);

        Assert.Equal(Error, Command(command));

        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);
        Assert.Equal(1, _rings[2].UsedIndex);
    }

    [Fact]
    public void Command_InPieces_IsUnderstood()
    {
        Put(Buffers, [4]);
        Put(Buffers + 0x100, [0, 2]);
        Put(Buffers + 0x200, [0]);
        _rings[Control].Describe(0, Buffers, 1, DriverRing.Next, 1);
        _rings[Control].Describe(1, Buffers + 0x100, 2, DriverRing.Next, 2);
        _rings[Control].Describe(2, Buffers + 0x200, 1, DriverRing.Next, 3);
        _rings[Control].Describe(3, Buffers + 0x300, 1, DriverRing.Write);

        Assert.Equal((0U, 1U), SendCommand());

        Assert.Equal(Ok, _driver.Memory.Slice(Buffers + 0x300, 1)[0]);
    }

    [Fact]
    public void Command_EmptyBufferBehindTheAnswer_IsExecuted()
    {
        Put(Buffers, SetTwoPairs);
        _rings[Control].Describe(0, Buffers, 4, DriverRing.Next, 1);
        _rings[Control].Describe(1, Buffers + 0x300, 1, DriverRing.Write | DriverRing.Next, 2);
        _rings[Control].Describe(2, Buffers + 0x400, 0, DriverRing.Write);

        Assert.Equal((0U, 1U), SendCommand());

        Assert.Equal(Ok, _driver.Memory.Slice(Buffers + 0x300, 1)[0]);
    }

    [Theory]
    [InlineData(Buffers + 0x300, 0U, DriverRing.Write)]
    [InlineData(Buffers + 0x300, 1U, 0)]
    [InlineData(VirtioDriver.RamSize, 1U, DriverRing.Write)]
    public void Command_WithoutPlaceForAnAnswer_IsNotExecuted(ulong address, uint length, int flags)
    {
        Put(Buffers, SetTwoPairs);
        _rings[Control].Describe(0, Buffers, 4, DriverRing.Next, 1);
        _rings[Control].Describe(1, address, length, (ushort)flags);

        Assert.Equal(0U, SendCommand().Length);

        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
        byte[] flow = FlowFrame.Udp(1000, 53);
        OfferReceive(0);
        Transmit(1, flow);
        Assert.True(_card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None));
        Assert.Equal(1, _rings[0].UsedIndex);
    }

    [Fact]
    public void ControlQueue_WithoutSeveralPairs_IsTheThirdQueue()
    {
        Start(Features & ~MultiQueue);
        Put(Buffers, SetTwoPairs);
        _rings[2].Describe(0, Buffers, 4, DriverRing.Next, 1);
        _rings[2].Describe(1, Buffers + 0x300, 1, DriverRing.Write);
        _rings[2].Offer(0);
        _driver.Notify(2);
        VirtioDriver.WaitUntil(() => _rings[2].UsedIndex != 0, "the answer");

        Assert.Equal(Error, _driver.Memory.Slice(Buffers + 0x300, 1)[0]);
    }

    [Fact]
    public void Reset_AfterSeveralPairs_LeavesOne()
    {
        byte[] flow = FlowFrame.Udp(1000, 53);
        Command(SetTwoPairs);
        Transmit(1, flow);

        Start(Features);
        OfferReceive(0);
        OfferReceive(1);
        _card.TryReceive(FlowFrame.Reversed(flow), [], FrameOffload.None);

        Assert.Equal((1, 0), (_rings[0].UsedIndex, _rings[2].UsedIndex));
    }

    /// <summary>Frames come and go in both pairs while the driver changes their number and resets the card.</summary>
    [Fact]
    public void Device_CommandsAndResetsUnderTraffic_GoesOnWorking()
    {
        using CancellationTokenSource end = new();
        byte[][] flows = [.. Enumerable.Range(1, 16).Select(port => FlowFrame.Udp((ushort)port, 7))];
        Thread traffic = new(() =>
        {
            for (int i = 0; !end.IsCancellationRequested; i++)
            {
                _card.TryReceive(flows[i % flows.Length], [], FrameOffload.None);
            }
        });
        traffic.Start();
        for (int round = 0; round < 100; round++)
        {
            Start(Features);
            Assert.Equal(Ok, Command(SetTwoPairs));
            OfferReceive(0);
            OfferReceive(1);
            Transmit(round % 2, flows[round % flows.Length]);
            Assert.Equal(Ok, Command(4, 0, 1, 0));
        }

        end.Cancel();
        traffic.Join();
        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
    }

    private void Start(ulong features) => _rings = _driver.StartQueues(features, (2 * Pairs) + 1);

    /// <summary>Another buffer for the next frame of a pair.</summary>
    private void OfferReceive(int pair)
    {
        DriverRing ring = _rings[pair * 2];
        int slot = ring.AvailableIndex % ring.Size;
        ring.Describe(slot, Buffers + 0x1_0000 + ((ulong)pair * 0x1_0000) + ((ulong)slot * 0x800), 0x800, DriverRing.Write);
        ring.Offer((ushort)slot);
    }

    private void Transmit(int pair, byte[] frame)
    {
        int queue = (pair * 2) + 1;
        Put(Buffers + 0x1000, [.. new byte[HeaderSize], .. frame]);
        _rings[queue].Describe(0, Buffers + 0x1000, (uint)(HeaderSize + frame.Length));
        int used = _rings[queue].UsedIndex;
        _rings[queue].Offer(0);
        _driver.Notify(queue);
        VirtioDriver.WaitUntil(() => _rings[queue].UsedIndex != used, "the sent frame");
        Assert.True(_network.Sent.TryTake(out (byte[] Frame, FrameOffload) sent, TimeSpan.FromSeconds(10)));
        Assert.Equal(frame, sent.Frame);
    }

    /// <returns>What the device says to a command.</returns>
    private byte Command(params byte[] command)
    {
        Put(Buffers, command);
        Put(Buffers + 0x300, [0xEE]);
        _rings[Control].Describe(0, Buffers, (uint)command.Length, DriverRing.Next, 1);
        _rings[Control].Describe(1, Buffers + 0x300, 1, DriverRing.Write);
        Assert.Equal((0U, 1U), SendCommand());
        return _driver.Memory.Slice(Buffers + 0x300, 1)[0];
    }

    private (uint Head, uint Length) SendCommand()
    {
        int used = _rings[Control].UsedIndex;
        _rings[Control].Offer(0);
        _driver.Notify(Control);
        VirtioDriver.WaitUntil(() => _rings[Control].UsedIndex != used, "the answer");
        return _rings[Control].UsedEntry(used);
    }

    private void Put(ulong at, byte[] bytes) => bytes.CopyTo(_driver.Memory.Slice(at, bytes.Length));
}
