using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>Bytes in both directions: windows, losses, back-pressure. RFC 9293, "Data Communication"; RFC 6298.</summary>
public sealed class TcpTransferTests : IDisposable
{
    private const long Millisecond = 1_000_000;
    private readonly NatBench _bench = new();
    private readonly HostServer _server = new();
    private readonly GuestTcp _guest;

    public TcpTransferTests() => _guest = new GuestTcp(_bench, 40000, GuestFrames.Gateway, _server.Port);

    public void Dispose()
    {
        _bench.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void Data_FromTheGuest_ReachesTheHostAndIsAcknowledged()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        _guest.Send(Ack | Psh, [1, 2, 3, 4, 5]);

        GuestSegment answer = _guest.Receive();
        Assert.Equal(Ack, answer.Flags);
        Assert.Equal(_guest.Next, answer.Acknowledgment);
        Assert.Equal([1, 2, 3, 4, 5], HostServer.Read(host, 5));
    }

    [Fact]
    public void Data_SegmentOfNearly64KiB_IsTakenWhole()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        byte[] data = Pattern(65_000);

        _guest.Send(Ack | Psh, data);

        Assert.Equal(data, HostServer.Read(host, data.Length));
        Assert.Equal(_guest.Next, _guest.WaitForAcknowledgment().Acknowledgment);
    }

    [Fact]
    public void Data_RepeatedOverlappingAndEarly_ReachesTheHostOnceAndInOrder()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        uint start = _guest.Next;

        _guest.Send(Ack, [1, 2, 3], sequence: start);
        Assert.Equal(start + 3, _guest.Receive().Acknowledgment);
        _guest.Send(Ack, [1, 2, 3], sequence: start);           // again
        Assert.Equal(start + 3, _guest.Receive().Acknowledgment);
        _guest.Send(Ack, [6, 7], sequence: start + 5);          // early
        Assert.Equal(start + 3, _guest.Receive().Acknowledgment);
        _guest.Send(Ack, [2, 3, 4, 5], sequence: start + 1);    // half old
        Assert.Equal(start + 5, _guest.Receive().Acknowledgment);

        Assert.Equal([1, 2, 3, 4, 5], HostServer.Read(host, 5));
        Assert.Equal(0, host.Available);
    }

    [Fact]
    public void Data_FromTheHost_KeepsToTheGuestsSegmentSize()
    {
        _guest.Open(options: [2, 4, 0, 200]);
        using Socket host = _server.Accept();
        byte[] data = Pattern(1000);

        host.Send(data);

        Assert.Equal(data, _guest.ReceiveData(data.Length));
    }

    [Fact]
    public void Data_ToACardThatCuts_ComesInLargeSegmentsWithPartialChecksum()
    {
        _bench.Card.Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation;
        _guest.Open();
        using Socket host = _server.Accept();
        byte[] data = Pattern(200_000);

        host.Send(data);
        List<GuestSegment> segments = [];
        List<byte> bytes = [];
        while (bytes.Count < data.Length)
        {
            segments.Add(_guest.Accept());
            bytes.AddRange(segments[^1].Data);
            _guest.Send(Ack);
        }

        Assert.Equal(data, bytes.ToArray());
        Assert.Contains(segments, segment => segment.Data.Length > 10_000);
        Assert.All(segments, segment => Assert.True(segment.Offload.NeedsChecksum));
        Assert.All(segments, segment => Assert.Equal(
            segment.Data.Length > 1460 ? (FrameFeatures.Tcp4Segmentation, 1460) : (FrameFeatures.None, 0),
            (segment.Offload.Segmentation, (int)segment.Offload.SegmentSize)));
    }

    [Fact]
    public void Data_MoreThanTheGuestsWindow_WaitsForIt()
    {
        _guest.Window = 500;
        _guest.Open(options: SegmentSize1460);
        using Socket host = _server.Accept();
        byte[] data = Pattern(1200);

        host.Send(data);
        byte[] first = _guest.Accept().Data;
        _bench.AssertSilent();
        _guest.Send(Ack);
        byte[] second = _guest.Accept().Data;
        _guest.Send(Ack);
        byte[] third = _guest.Accept().Data;

        Assert.Equal((500, 500, 200), (first.Length, second.Length, third.Length));
        Assert.Equal(data, (byte[])[.. first, .. second, .. third]);
    }

    [Fact]
    public void Window_Scaled_IsMultiplied()
    {
        _guest.Window = 1; // times 128 after the handshake
        _guest.Open();
        using Socket host = _server.Accept();

        host.Send(Pattern(1000));

        Assert.Equal(128, _guest.Accept().Data.Length);
    }

    [Fact]
    public void Window_Zero_IsProbedWithOneByteAtGrowingIntervals()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        _guest.Window = 0;
        _guest.Send(Ack);

        host.Send([11, 22, 33]);
        NatBench.WaitUntil(() => _bench.Network.BufferedBytes > 0, "the host's bytes");
        const long first = 200 * Millisecond; // no round trip took any time: the shortest
        _bench.Clock.Advance(first);
        GuestSegment probe = _guest.Receive();
        _guest.Send(Ack); // refused: the window is still zero
        _bench.Clock.Advance(first);
        GuestSegment second = _guest.Receive();
        _guest.Send(Ack);
        _bench.Clock.Advance(first);
        _bench.AssertSilent();
        _bench.Clock.Advance(first);
        GuestSegment third = _guest.Receive();

        Assert.All([probe, second, third], segment => Assert.Equal([11], segment.Data));
        Assert.All([probe, second, third], segment => Assert.Equal(_guest.Expected, segment.Sequence));
        _guest.Window = 0xFFFF;
        _guest.Send(Ack);
        Assert.Equal([11, 22, 33], _guest.Accept().Data);
    }

    [Fact]
    public void Window_ZeroForHours_DoesNotEndTheConnection()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        _guest.Window = 0;
        _guest.Send(Ack);
        host.Send([1]);
        NatBench.WaitUntil(() => _bench.Network.BufferedBytes > 0, "the host's bytes");

        for (int i = 0; i < 100; i++)
        {
            _bench.Clock.Advance(60_000 * Millisecond); // no interval is longer
            Assert.Equal([1], _guest.Receive().Data);
            _guest.Send(Ack);
        }

        Assert.Equal(1, _bench.Network.ConnectionCount);
    }

    [Fact]
    public void Loss_SegmentIsNotAcknowledged_IsRepeatedWithBackOff()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        host.Send([5, 6, 7]);
        GuestSegment lost = _guest.Receive();

        // The handshake took no time: the timer stands at its shortest.
        _bench.Clock.Advance((200 * Millisecond) - 1);
        _bench.AssertSilent();
        _bench.Clock.Advance(1);
        GuestSegment second = _guest.Receive();
        _bench.Clock.Advance((400 * Millisecond) - 1);
        _bench.AssertSilent();
        _bench.Clock.Advance(1);
        GuestSegment third = _guest.Accept();
        _guest.Send(Ack);
        _bench.Clock.Advance(10_000 * Millisecond);

        Assert.Equal((lost.Sequence, lost.Sequence), (second.Sequence, third.Sequence));
        Assert.Equal([5, 6, 7], third.Data);
        _bench.AssertSilent();
    }

    [Fact]
    public void Loss_ThreeDuplicates_BringTheFirstSegmentAtOnce()
    {
        _guest.Open(options: [2, 4, 0, 100]);
        using Socket host = _server.Accept();
        host.Send(Pattern(500));
        GuestSegment lost = _guest.Receive();
        for (int i = 0; i < 4; i++)
        {
            _guest.Receive();
            _guest.Send(Ack); // of nothing new
        }

        GuestSegment repeated = _guest.Receive();

        Assert.Equal(lost.Sequence, repeated.Sequence);
        Assert.Equal(lost.Data, repeated.Data);
        _bench.AssertSilent();
    }

    [Fact]
    public void Loss_TwoSegmentsOfMany_AreFilledOneByOneWithoutFurtherTimeouts()
    {
        _guest.Open(options: [2, 4, 0, 100]);
        using Socket host = _server.Accept();
        host.Send(Pattern(500));
        uint start = _guest.Expected;
        for (int i = 0; i < 5; i++)
        {
            _guest.Receive();
        }

        _bench.Clock.Advance(200 * Millisecond);
        Assert.Equal(start, _guest.Receive().Sequence);
        _guest.Send(Ack, acknowledgment: start + 200); // the second had come
        GuestSegment hole = _guest.Receive();
        _guest.Send(Ack, acknowledgment: start + 500);

        Assert.Equal(start + 200, hole.Sequence);
        _bench.Clock.Advance(5000 * Millisecond);
        _bench.AssertSilent();
    }

    [Fact]
    public void Guest_NeverAcknowledges_IsGivenUpAndTheHostReset()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        host.Send([1]);
        _guest.Receive();

        _bench.Clock.Advance(3600_000 * Millisecond);

        Assert.Equal(0, _bench.Network.ConnectionCount);
        Assert.Throws<SocketException>(() => host.Receive(new byte[1]));
    }

    [Fact]
    public void BackPressure_HostDoesNotRead_GuestsWindowClosesAndOpensAgain()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        byte[] block = Pattern(32_000);
        List<byte> sent = [];
        int window = int.MaxValue;

        while (window >= block.Length)
        {
            _guest.Send(Ack, block);
            sent.AddRange(block);
            window = _guest.WaitForAcknowledgment().Window << 7;
        }

        long buffered = _bench.Network.BufferedBytes;
        byte[] heard = HostServer.Read(host, sent.Count);
        GuestSegment update = _guest.Receive();

        Assert.InRange(buffered, 200_000, 1 << 18);
        Assert.Equal(sent.ToArray(), heard);
        Assert.True(update.Window << 7 > block.Length);
    }

    [Fact]
    public void BackPressure_GuestDoesNotAcknowledge_HostIsReadNoFurtherThanTheBuffer()
    {
        _guest.Window = 100;
        _guest.Open(options: SegmentSize1460);
        using Socket host = _server.Accept();
        host.Blocking = false;
        byte[] block = new byte[1 << 16];
        long taken = 0;

        // Until nothing is taken any more; before the first half it is the network's thread that waits for the host.
        for (int idle = 0; idle < 20 || (taken <= 1 << 19 && idle < 12_000); idle++)
        {
            int count = host.Send(block, SocketFlags.None, out SocketError error);
            taken += error == SocketError.Success ? count : 0;
            idle = error == SocketError.Success ? 0 : idle;
#pragma warning disable RS0030 // polls a socket in non-blocking mode
            Thread.Sleep(error == SocketError.Success ? 0 : 5);
#pragma warning restore RS0030
        }

        Assert.True(taken > 1 << 19);
        Assert.InRange(_bench.Network.BufferedBytes, 1, 1 << 19);
    }

    [Fact]
    public void BackPressure_CardFull_WaitsUntilItHasRoom()
    {
        _guest.Open(options: [2, 4, 0, 100]);
        using Socket host = _server.Accept();
        _bench.Card.Room = 2;
        byte[] data = Pattern(1000);

        host.Send(data);
        NatBench.WaitUntil(() => _bench.Card.Count == 2, "two frames");
        byte[] first = [.. _guest.Accept().Data, .. _guest.Accept().Data];
        _bench.AssertSilent();
        _bench.Card.Room = int.MaxValue;
        _bench.Network.Resume();

        Assert.Equal(data, (byte[])[.. first, .. _guest.ReceiveData(data.Length - first.Length)]);
    }

    [Fact]
    public void Memory_BudgetSpent_OtherConnectionsStillGetTheirBytes()
    {
        using NatBench bench = new(new Strata.Networking.Nat.UserNetworkOptions { MaxBufferedBytes = 1 << 16 });
        GuestTcp greedy = new(bench, 1, GuestFrames.Gateway, _server.Port) { Window = 0 };
        greedy.Open();
        using Socket first = _server.Accept();
        first.Send(Pattern(1 << 17));
        NatBench.WaitUntil(() => bench.Network.BufferedBytes == 1 << 16, "the budget's end");
        GuestTcp other = new(bench, 2, GuestFrames.Gateway, _server.Port);
        other.Send(Syn, options: SegmentSize1460);
        other.Expected = other.Receive().Sequence + 1;
        other.Send(Ack);
        using Socket second = _server.Accept();
        second.Send([1, 2, 3]);

        greedy.Send(Rst);
        NatBench.WaitUntil(
            () =>
            {
                bench.Clock.Advance(50 * Millisecond);
                return bench.Card.Count > 0;
            },
            "the other connection's bytes");

        Assert.Equal([1, 2, 3], other.Accept().Data);
    }

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 31) ^ (i >> 8)))];
}
