using System.Buffers.Binary;
using Strata.Core.State;
using Strata.Core.Tests.State;
using Strata.Virtio.Tests.Harness;
using Strata.Virtio.Vsock;

namespace Strata.Virtio.Tests.State;

/// <summary>Connections end with a restore, and both ends hear of it. VIRTIO 1.2, "Socket Device", "Device Events".</summary>
public sealed class VsockStateTests : IDisposable
{
    private const uint GuestPort = 5000;
    private const ulong Packets = 0x4_0000;
    private const ulong PacketSize = 0x200;
    private const ulong EventPlace = 0x6_0000;
    private const ulong TransmitPlace = 0x7_0000;
    private const ushort Request = 1;
    private const ushort Response = 2;
    private const ushort ResetOperation = 3;

    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(1));
    private readonly VirtioDriver _driver;
    private readonly VirtioDriver _other;
    private VirtioVsock? _sockets;
    private VirtioVsock? _otherSockets;

    public VsockStateTests()
    {
        _driver = new VirtioDriver(memory => _sockets = new VirtioVsock(memory));
        _other = new VirtioDriver(memory => _otherSockets = new VirtioVsock(memory));
    }

    public void Dispose()
    {
        _driver.Dispose();
        _other.Dispose();
        _timeout.Dispose();
    }

    [Fact]
    public void Contract_Holds()
    {
        VirtioVsock unit = _sockets!;
        VirtioVsockState state = unit.SaveState();
        state.Resets = [NewReset(800)];
        unit.LoadState(state);

        UnitContract.Check<VirtioVsockState>(unit, (property, _) => property.Name switch
        {
            nameof(VirtioVsockState.GuestCid) => 3UL,
            nameof(VirtioVsockState.ResetProgress) => VsockResetProgress.Reported,
            nameof(VirtioVsockState.Resets) => new VsockResetState[] { NewReset(900), NewReset(901) },
            _ => null,
        });
    }

    [Fact]
    public async Task Load_ConnectionThatWas_IsResetForTheGuest()
    {
        DriverRing[] rings = Start();
        using VsockStream stream = await ConnectAsync(_sockets!, _driver, rings);

        DriverRing[] others = Move(rings);

        VirtioDriver.WaitUntil(() => others[2].UsedIndex == 1, "the event");
        Assert.Equal(0, BinaryPrimitives.ReadInt32LittleEndian(_other.Memory.Slice(EventPlace, 4)));
        Assert.Equal(1, others[0].UsedIndex); // the request before; nothing more until the driver has seen the event
        OfferEvent(_other, others[2], 1);
        VirtioDriver.WaitUntil(() => others[0].UsedIndex == 2, "the reset");
        Assert.Equal((ResetOperation, stream.HostPort, GuestPort), Header(_other, 1));
    }

    [Fact]
    public async Task Load_WithoutBuffersForEvents_StillResets()
    {
        DriverRing[] rings = Start(events: 0);
        using VsockStream stream = await ConnectAsync(_sockets!, _driver, rings);

        DriverRing[] others = Move(rings);

        VirtioDriver.WaitUntil(() => others[0].UsedIndex == 2, "the reset");
        Assert.Equal(ResetOperation, Header(_other, 1).Operation);
    }

    [Fact]
    public async Task Connect_BehindALoad_WaitsUntilTheDriverHasSeenTheEvent()
    {
        DriverRing[] rings = Start(VirtioDriver.EventIndex);

        DriverRing[] others = Move(rings);
        Task<VsockStream> connecting = _otherSockets!.ConnectAsync(GuestPort, _timeout.Token);
        VirtioDriver.WaitUntil(() => others[2].UsedIndex == 1, "the event");
        Assert.False(SpinWait.SpinUntil(() => others[0].UsedIndex != 0, 50));
        Assert.Equal(others[2].AvailableIndex, others[2].AvailableEvent); // it asks to be told of the buffer
        OfferEvent(_other, others[2], 1);

        using VsockStream stream = await AnswerAsync(connecting, _other, others);
        Assert.Equal(GuestPort, stream.GuestPort);
    }

    [Fact]
    public async Task Load_IntoTheMachineItself_BreaksTheHostsEnd()
    {
        DriverRing[] rings = Start();
        using VsockStream stream = await ConnectAsync(_sockets!, _driver, rings);

        _driver.Roster.Quiesce();
        _driver.Roster.Load(_driver.Roster.Save());
        _driver.Roster.Resume();

        VsockException error = await Assert.ThrowsAsync<VsockException>(
            async () => await stream.ReadExactlyAsync(new byte[1], _timeout.Token));
        Assert.Contains("saved state", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Resume_WithoutALoad_KeepsConnections()
    {
        DriverRing[] rings = Start();
        using VsockStream stream = await ConnectAsync(_sockets!, _driver, rings);

        _driver.Roster.Quiesce();
        _ = _driver.Roster.Save();
        await stream.WriteAsync("while it stands"u8.ToArray(), _timeout.Token);
        Assert.Equal(1, rings[0].UsedIndex);
        _driver.Roster.Resume();

        VirtioDriver.WaitUntil(() => rings[0].UsedIndex == 2, "the data");
        Assert.Equal((5, stream.HostPort, GuestPort), Header(_driver, 1));
        Assert.Equal(0, rings[2].UsedIndex);
    }

    private static VsockResetState NewReset(uint port) => new() { HostCid = 2, HostPort = port, GuestPort = 700, SocketType = 1 };

    private DriverRing[] Start(ulong features = 0, int events = 1)
    {
        DriverRing[] rings = _driver.StartQueues(VirtioDriver.Version1 | features, 3);
        for (int i = 0; i < 8; i++)
        {
            rings[0].Describe(i, Packets + ((ulong)i * PacketSize), (uint)PacketSize, DriverRing.Write);
            rings[0].Offer((ushort)i);
        }

        for (int i = 0; i < events; i++)
        {
            OfferEvent(_driver, rings[2], i);
        }

        _driver.Notify();
        return rings;
    }

    private static void OfferEvent(VirtioDriver driver, DriverRing ring, int index)
    {
        ring.Describe(index, EventPlace, 4, DriverRing.Write);
        ring.Offer((ushort)index);
        driver.Notify(2);
    }

    private Task<VsockStream> ConnectAsync(VirtioVsock sockets, VirtioDriver driver, DriverRing[] rings) =>
        AnswerAsync(sockets.ConnectAsync(GuestPort, _timeout.Token), driver, rings);

    /// <summary>The guest's answer to a request that is the first packet.</summary>
    private static async Task<VsockStream> AnswerAsync(Task<VsockStream> connecting, VirtioDriver driver, DriverRing[] rings)
    {
        VirtioDriver.WaitUntil(() => rings[0].UsedIndex == 1, "the request");
        (ushort operation, uint hostPort, _) = Header(driver, 0);
        Assert.Equal(Request, operation);
        WriteAnswer(driver.Memory.Slice(TransmitPlace, VsockHeader.Size), hostPort);
        rings[1].Describe(0, TransmitPlace, VsockHeader.Size);
        rings[1].Offer(0);
        driver.Notify(1);
        return await connecting;
    }

    private static void WriteAnswer(Span<byte> place, uint hostPort) => new VsockHeader
    {
        SourceCid = 3,
        TargetCid = 2,
        SourcePort = GuestPort,
        TargetPort = hostPort,
        Type = VsockHeader.TypeStream,
        Operation = (VsockOperation)Response,
        BufferAllocated = 0x1_0000,
    }.Write(place);

    private static (ushort Operation, uint HostPort, uint GuestPort) Header(VirtioDriver driver, int packet)
    {
        VsockHeader header = VsockHeader.Parse(driver.Memory.Slice(Packets + ((ulong)packet * PacketSize), VsockHeader.Size));
        return ((ushort)header.Operation, header.SourcePort, header.TargetPort);
    }

    private DriverRing[] Move(DriverRing[] rings)
    {
        _driver.Roster.Quiesce();
        _driver.MoveTo(_other);
        _other.Roster.Resume();
        return [.. rings.Select(ring => new DriverRing(_other.Memory, ring.Descriptors, ring.Size))];
    }
}
