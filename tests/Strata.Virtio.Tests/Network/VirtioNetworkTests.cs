using Strata.Core.Bus;
using Strata.Core.Networking;
using Strata.Virtio.Network;
using Strata.Virtio.Tests.Harness;

namespace Strata.Virtio.Tests.Network;

/// <summary>VIRTIO 1.2, "Network Device".</summary>
public sealed class VirtioNetworkTests : IDisposable
{
    private const ulong Checksum = 1 << 0;
    private const ulong GuestChecksum = 1 << 1;
    private const ulong GuestTcp4 = 1 << 7;
    private const ulong HostTcp4 = 1 << 11;
    private const ulong Mergeable = 1 << 15;
    private const ulong Status = 1 << 16;
    private const ulong Offloads = Checksum | GuestChecksum | GuestTcp4 | HostTcp4 | Mergeable | Status;
    private const int HeaderSize = 12;
    private const ulong Buffer = 0x4_0000;

    private readonly RecordingBackend _network = new();
    private readonly VirtioDriver _driver;
    private VirtioNetwork _card = null!;
    private DriverRing _receive = null!;
    private DriverRing _transmit = null!;

    public VirtioNetworkTests()
    {
        _driver = new VirtioDriver(space => _card = new VirtioNetwork(space, _network, [2, 3, 4, 5, 6, 7], mtu: 1400));
        Start(Offloads);
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Configuration_Card_HasAddressLinkAndMtu()
    {
        Assert.Equal(0x0605_0403_02UL, _driver.ReadDevice(0, AccessWidth.Qword) & 0xFF_FFFF_FFFF);
        Assert.Equal(7UL, _driver.ReadDevice(5, AccessWidth.Byte));
        Assert.Equal(1UL, _driver.ReadDevice(6, AccessWidth.Word));
        Assert.Equal(1400UL, _driver.ReadDevice(10, AccessWidth.Word));
    }

    [Fact]
    public void Features_BackendWithoutOffloads_OffersNoneForFramesFromTheGuest()
    {
        _network.Accepts = FrameFeatures.None;

        Assert.Equal(GuestChecksum | GuestTcp4 | Mergeable, _driver.OfferedFeatures() & (Offloads & ~Status));
    }

    [Fact]
    public void Transmit_FrameInThreeBuffers_ArrivesWhole()
    {
        byte[] frame = Pattern(900);
        Put(Buffer, new byte[HeaderSize]);
        Put(Buffer + 0x1000, frame[..300]);
        Put(Buffer + 0x2000, frame[300..]);
        _transmit.Describe(0, Buffer, HeaderSize, DriverRing.Next, 1);
        _transmit.Describe(1, Buffer + 0x1000, 300, DriverRing.Next, 2);
        _transmit.Describe(2, Buffer + 0x2000, 600);

        Transmit();

        Assert.Equal(frame, Sent().Frame);
    }

    [Fact]
    public void Transmit_HeaderAndFrameInOneBuffer_ArrivesWithItsOffloads()
    {
        byte[] frame = Pattern(4000);
        TransmitOne([1, 1, 54, 0, 0xB4, 5, 34, 0, 16, 0, 0, 0], frame);

        (byte[] sent, FrameOffload offload) = Sent();

        Assert.Equal(frame, sent);
        Assert.Equal(
            new FrameOffload
            {
                NeedsChecksum = true, ChecksumStart = 34, ChecksumOffset = 16,
                Segmentation = FrameFeatures.Tcp4Segmentation, SegmentSize = 1460, HeaderLength = 54,
            },
            offload);
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 90, 0, 9, 0, 0, 0 })]          // the sum's place is one byte behind the end
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0 })]
    [InlineData(new byte[] { 1, 1, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0 })]        // pieces of no size
    [InlineData(new byte[] { 0, 1, 0, 0, 0xB4, 5, 34, 0, 16, 0, 0, 0 })]     // cut without a sum
    [InlineData(new byte[] { 1, 4, 0, 0, 0xB4, 5, 34, 0, 16, 0, 0, 0 })]     // TCP over IPv6 was not offered
    [InlineData(new byte[] { 1, 3, 0, 0, 0xB4, 5, 34, 0, 16, 0, 0, 0 })]     // UDP neither
    [InlineData(new byte[] { 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    public void Transmit_HeaderThatLies_LosesTheFrameOnly(byte[] header)
    {
        TransmitOne(header, Pattern(100));
        TransmitOne(new byte[HeaderSize], [1, 2, 3]);

        Assert.Equal([1, 2, 3], Sent().Frame);
        Assert.Equal(2, _transmit.UsedIndex);
        Assert.Equal(0, _driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void Transmit_OffloadThatWasNotNegotiated_LosesTheFrame()
    {
        Start(Mergeable);

        TransmitOne([1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0], Pattern(100));
        TransmitOne(new byte[HeaderSize], [1, 2, 3]);

        Assert.Equal([1, 2, 3], Sent().Frame);
    }

    [Theory]
    [InlineData(Buffer, 5U, 0)]                                 // shorter than the header
    [InlineData(Buffer, 12U, 0)]                                // no frame behind it
    [InlineData(Buffer, 0x1_1000U, 0)]                          // longer than any frame
    [InlineData(Buffer, 100U, DriverRing.Write)]                // not for reading
    [InlineData(VirtioDriver.RamSize - 10, 100U, 0)]            // not in RAM
    public void Transmit_BufferThatIsNoFrame_IsReturnedUnsent(ulong address, uint length, int flags)
    {
        _transmit.Describe(0, address, length, (ushort)flags);
        Transmit();
        TransmitOne(new byte[HeaderSize], [1, 2, 3]);

        Assert.Equal([1, 2, 3], Sent().Frame);
    }

    [Fact]
    public void Receive_BufferLargeEnough_HoldsHeaderAndFrame()
    {
        OfferReceive(0, Buffer, 2048);
        byte[] frame = Pattern(1000);

        Assert.True(_card.TryReceive(frame.AsSpan(0, 54), frame.AsSpan(54), FrameOffload.None));

        Assert.Equal((0U, 1012U), _receive.UsedEntry(0));
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], Get(Buffer, HeaderSize));
        Assert.Equal(frame, Get(Buffer + HeaderSize, 1000));
        Assert.True(_driver.Line);
    }

    [Fact]
    public void Receive_LargeFrame_FillsSeveralBuffersAndSaysHowMany()
    {
        for (int i = 0; i < 4; i++)
        {
            OfferReceive(i, Buffer + (0x1000UL * (uint)i), 1024);
        }

        byte[] frame = Pattern(2500);
        FrameOffload offload = new()
        {
            NeedsChecksum = true, ChecksumStart = 34, ChecksumOffset = 16, Segmentation = FrameFeatures.Tcp4Segmentation,
            SegmentSize = 1460, HeaderLength = 54,
        };

        Assert.True(_card.TryReceive(frame.AsSpan(0, 54), frame.AsSpan(54), offload));

        Assert.Equal(3, _receive.UsedIndex);
        Assert.Equal([(0U, 1024U), (1U, 1024U), (2U, 464U)], Enumerable.Range(0, 3).Select(_receive.UsedEntry));
        Assert.Equal([1, 1, 54, 0, 0xB4, 5, 34, 0, 16, 0, 3, 0], Get(Buffer, HeaderSize));
        Assert.Equal(frame, (byte[])[.. Get(Buffer + HeaderSize, 1012), .. Get(Buffer + 0x1000, 1024), .. Get(Buffer + 0x2000, 464)]);
    }

    [Fact]
    public void Receive_NotEnoughBuffers_IsRefusedAndTheBackendCalledWhenThereAreMore()
    {
        OfferReceive(0, Buffer, 1024);
        byte[] frame = Pattern(1500);

        Assert.False(_card.TryReceive(frame, [], FrameOffload.None));
        Assert.Equal(0, _receive.UsedIndex);
        OfferReceive(1, Buffer + 0x1000, 1024);
        _driver.Notify(0);
        VirtioDriver.WaitUntil(() => _network.Resumes > 0, "the backend's call");

        Assert.True(_card.TryReceive(frame, [], FrameOffload.None));
        Assert.Equal(2, _receive.UsedIndex);
        Assert.Equal(frame, (byte[])[.. Get(Buffer + HeaderSize, 1012), .. Get(Buffer + 0x1000, 488)]);
    }

    [Fact]
    public void Receive_WithoutMergeableBuffersAndTooSmallOne_LosesTheFrame()
    {
        Start(Status);
        OfferReceive(0, Buffer, 100);

        Assert.False(_card.TryReceive(Pattern(200), [], FrameOffload.None));
        Assert.Equal((0U, 0U), _receive.UsedEntry(0));
        OfferReceive(1, Buffer, 300);

        Assert.True(_card.TryReceive(Pattern(200), [], FrameOffload.None));
        Assert.Equal((1U, 212U), _receive.UsedEntry(1));
    }

    [Fact]
    public void Receive_DriverNotReady_IsRefusedAndTheBackendCalledWhenItIs()
    {
        _driver.Status = 0;
        Assert.False(_card.TryReceive(Pattern(100), [], FrameOffload.None));
        Assert.Equal(FrameFeatures.None, _card.Accepts);

        Start(Offloads);

        VirtioDriver.WaitUntil(() => _network.Resumes > 0, "the backend's call");
        Assert.Equal(FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation, _card.Accepts);
    }

    [Fact]
    public void Receive_RingOutsideOfRam_AsksForAReset()
    {
        Assert.True(_driver.Negotiate(Offloads | VirtioDriver.Version1));
        _driver.EnableQueue(16, VirtioDriver.RamSize, VirtioDriver.RamSize, VirtioDriver.RamSize);
        _driver.Status = VirtioDriver.Acknowledged | VirtioDriver.FeaturesOk | VirtioDriver.DriverOk;

        Assert.True(_card.TryReceive(Pattern(100), [], FrameOffload.None)); // lost: nobody would call for it again
        uint generation = (uint)_driver.ReadCommon(0x15, AccessWidth.Byte);
        _card.TryReceive(Pattern(100), [], FrameOffload.None);

        Assert.NotEqual(0, _driver.Status & VirtioDriver.NeedsReset);
        Assert.Equal(generation, (uint)_driver.ReadCommon(0x15, AccessWidth.Byte)); // said once
    }

    [Fact]
    public void Link_Cut_ChangesTheStatusInterruptsAndLosesFrames()
    {
        OfferReceive(0, Buffer, 2048);
        _driver.ReadIsr();
        uint generation = (uint)_driver.ReadCommon(0x15, AccessWidth.Byte);

        _card.IsLinkUp = false;

        Assert.Equal(0UL, _driver.ReadDevice(6, AccessWidth.Word));
        Assert.NotEqual(generation, (uint)_driver.ReadCommon(0x15, AccessWidth.Byte));
        Assert.Equal(2, _driver.ReadIsr());
        Assert.True(_card.TryReceive(Pattern(100), [], FrameOffload.None));
        TransmitOne(new byte[HeaderSize], [1, 2, 3]);
        _card.IsLinkUp = true;
        TransmitOne(new byte[HeaderSize], [4, 5, 6]);
        Assert.Equal(0, _receive.UsedIndex);
        Assert.Equal([4, 5, 6], Sent().Frame);
        Assert.Equal(1UL, _driver.ReadDevice(6, AccessWidth.Word));
    }

    [Fact]
    public void Dispose_Card_DisposesTheBackendAndTakesNoMoreFrames()
    {
        _card.Dispose();

        Assert.True(_network.IsDisposed);
        Assert.True(_card.TryReceive(Pattern(100), [], FrameOffload.None));
        Assert.Equal(0, _receive.UsedIndex);
    }

    private void Start(ulong features)
    {
        DriverRing[] rings = _driver.StartQueues(features | VirtioDriver.Version1, 2);
        (_receive, _transmit) = (rings[0], rings[1]);
    }

    private void OfferReceive(int index, ulong address, uint length)
    {
        _receive.Describe(index, address, length, DriverRing.Write);
        _receive.Offer((ushort)index);
    }

    private void TransmitOne(byte[] header, byte[] frame)
    {
        Put(Buffer, [.. header, .. frame]);
        _transmit.Describe(0, Buffer, (uint)(header.Length + frame.Length));
        Transmit();
    }

    /// <summary>Offers the chain at descriptor 0 and waits until it comes back.</summary>
    private void Transmit()
    {
        int used = _transmit.UsedIndex;
        _transmit.Offer(0);
        _driver.Notify(1);
        VirtioDriver.WaitUntil(() => _transmit.UsedIndex != used, "the used buffer");
    }

    private (byte[] Frame, FrameOffload Offload) Sent()
    {
        Assert.True(_network.Sent.TryTake(out (byte[], FrameOffload) sent, TimeSpan.FromSeconds(10)), "No frame was sent.");
        return sent;
    }

    private void Put(ulong at, byte[] bytes) => bytes.CopyTo(_driver.Memory.Slice(at, bytes.Length));

    private byte[] Get(ulong at, int count) => _driver.Memory.Slice(at, count).ToArray();

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 37) ^ (i >> 8)))];
}
