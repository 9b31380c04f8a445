using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>
/// Urgent data in both directions, with the host's real sockets. RFC 6093, section 3.1: the pointer names the byte behind the urgent one,
/// and of several marks the last one counts.
/// </summary>
public sealed class TcpUrgentTests : IDisposable
{
    private readonly NatBench _bench = new();
    private readonly HostServer _server = new();
    private readonly GuestTcp _guest;

    public TcpUrgentTests() => _guest = new GuestTcp(_bench, 40000, GuestFrames.Gateway, _server.Port);

    public void Dispose()
    {
        _bench.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void FromTheHost_OneByteAmongOthers_IsMarkedForTheGuest()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        host.Send("abc"u8);
        host.Send("!"u8, SocketFlags.OutOfBand);
        host.Send("def"u8);

        (byte[] data, uint marked) = ReceiveMarked(7);
        Assert.Equal("abc!def"u8.ToArray(), data);
        Assert.Equal(3u, marked);
    }

    /// <summary>As `recv(1, MSG_OOB)` of a server in the guest wants it: the only byte, and nothing before or behind it.</summary>
    [Fact]
    public void FromTheHost_ByItself_IsMarkedForTheGuest()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        host.Send("!"u8, SocketFlags.OutOfBand);

        GuestSegment segment = _guest.Accept();
        Assert.Equal("!"u8.ToArray(), segment.Data);
        Assert.Equal(Urg, segment.Flags & Urg);
        Assert.Equal(1, segment.Urgent);
    }

    [Fact]
    public void FromTheHost_LastOfSeveralBytesInOneCall_IsTheMarkedOne()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        host.Send("abc!"u8, SocketFlags.OutOfBand);

        (byte[] data, uint marked) = ReceiveMarked(4);
        Assert.Equal("abc!"u8.ToArray(), data);
        Assert.Equal(3u, marked);
    }

    [Fact]
    public void FromTheHost_AfterTheMarkIsAcknowledged_IsOrdinary()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        host.Send("!"u8, SocketFlags.OutOfBand);
        _guest.Accept();
        _guest.Send(Ack);

        host.Send("abc"u8);

        GuestSegment segment = _guest.Accept();
        Assert.Equal("abc"u8.ToArray(), segment.Data);
        Assert.Equal(0, segment.Flags & Urg);
        Assert.Equal(0, segment.Urgent);
    }

    [Fact]
    public void FromTheHost_ThroughAForwardedPort_IsMarkedForTheGuest()
    {
        PortForward forward = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, 23);
        using NatBench bench = new(new UserNetworkOptions { Forwards = [forward] });
        bench.Introduce();
        using Socket caller = HostServer.Limit(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        caller.Connect(bench.Network.ForwardedPorts[0].HostEndPoint);
        GuestTcp guest = Answer(bench, 23);

        caller.Send("!"u8, SocketFlags.OutOfBand);
        caller.Send("abc"u8);

        GuestSegment segment = guest.Accept();
        Assert.Equal(Urg, segment.Flags & Urg);
        Assert.Equal(1, segment.Urgent);
        Assert.Equal((byte)'!', segment.Data[0]);
    }

    /// <summary>The guest takes nothing, and hears all the same that something urgent waits: that is what the mark is for.</summary>
    [Fact]
    public void FromTheHost_WhileTheWindowIsClosed_IsAnnounced()
    {
        _guest.Window = 0;
        _guest.Open(options: SegmentSize1460);
        using Socket host = _server.Accept();
        host.Send("abc"u8);

        host.Send("!"u8, SocketFlags.OutOfBand);

        GuestSegment segment = _guest.Receive();
        Assert.Equal(Urg, segment.Flags & Urg);
        Assert.Equal(_guest.Expected + 4, segment.Sequence + segment.Urgent);
        Assert.Empty(segment.Data);
    }

    [Fact]
    public void FromTheHost_ToACardThatCuts_ComesInSegmentsThatNeedNoCutting()
    {
        _bench.Card.Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation;
        _guest.Open();
        using Socket host = _server.Accept();
        byte[] large = new byte[20_000];

        host.Send("!"u8, SocketFlags.OutOfBand);
        host.Send(large);
        List<GuestSegment> segments = [];
        for (int count = 0; count < large.Length + 1; count += segments[^1].Data.Length)
        {
            segments.Add(_guest.Accept());
            _guest.Send(Ack);
        }

        Assert.All(segments.Where(segment => (segment.Flags & Urg) != 0), segment => Assert.InRange(segment.Data.Length, 0, 1460));
        Assert.Contains(segments, segment => (segment.Flags & Urg) != 0);
    }

    [Fact]
    public void FromTheGuest_OneByteAmongOthers_IsOutOfBandForTheHost()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        _guest.Send((byte)(Ack | Psh | Urg), "abc!def"u8.ToArray(), urgent: 4);

        Assert.Equal("!"u8.ToArray(), ReadUrgent(host));
        Assert.Equal("abcdef"u8.ToArray(), HostServer.Read(host, 6));
    }

    [Fact]
    public void FromTheGuest_AnnouncedBeforeItComes_IsOutOfBandForTheHost()
    {
        _guest.Open();
        using Socket host = _server.Accept();

        _guest.Send((byte)(Ack | Urg), "ab"u8.ToArray(), urgent: 4);
        _guest.Send(Ack, "c!d"u8.ToArray());

        Assert.Equal("!"u8.ToArray(), ReadUrgent(host));
        Assert.Equal("abcd"u8.ToArray(), HostServer.Read(host, 4));
    }

    [Fact]
    public void FromTheGuest_SentAgain_IsOutOfBandOnce()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        uint start = _guest.Next;
        _guest.Send((byte)(Ack | Urg), "!"u8.ToArray(), urgent: 1);
        Assert.Equal("!"u8.ToArray(), ReadUrgent(host));

        _guest.Send((byte)(Ack | Urg), "!a"u8.ToArray(), sequence: start, urgent: 1);

        Assert.Equal("a"u8.ToArray(), HostServer.Read(host, 1));
        Assert.Throws<SocketException>(() => host.Receive(new byte[1], SocketFlags.OutOfBand));
    }

    /// <summary>The host takes nothing for a while: the mark waits with its byte.</summary>
    [Fact]
    public void FromTheGuest_BehindMuchThatWaits_IsOutOfBandForTheHost()
    {
        _guest.Open();
        using Socket host = _server.Accept();
        byte[] piece = new byte[60_000];
        int sent = 0;
        int window = int.MaxValue;
        for (; sent < 64 << 20 && window > piece.Length; sent += piece.Length)
        {
            _guest.Send(Ack, piece);
            window = _guest.WaitForAcknowledgment().Window << 7;
        }

        _guest.Send((byte)(Ack | Urg), "a!b"u8.ToArray(), urgent: 2);
        byte[] before = HostServer.Read(host, sent + 1);

        Assert.Equal((byte)'a', before[^1]);
        Assert.Equal("!"u8.ToArray(), ReadUrgent(host));
        Assert.Equal("b"u8.ToArray(), HostServer.Read(host, 1));
    }

    /// <summary>A pointer to what never comes changes nothing.</summary>
    [Theory]
    [InlineData(0xFFFF)]
    [InlineData(9)]
    public void FromTheGuest_PointerBehindAllThatComes_LeavesTheStreamAsItIs(int pointer)
    {
        _guest.Open();
        using Socket host = _server.Accept();

        _guest.Send((byte)(Ack | Urg), "abc"u8.ToArray(), urgent: (ushort)pointer);
        _guest.Send((byte)(Ack | Fin), "de"u8.ToArray());

        Assert.Equal("abcde"u8.ToArray(), HostServer.Read(host, 5));
        Assert.Equal(0, host.Receive(new byte[1]));
    }

    private static GuestTcp Answer(NatBench bench, ushort port)
    {
        RecordedFrame call = bench.Take();
        byte[] syn = GuestFrames.Open(call.Bytes, GuestFrames.TcpProtocol, GuestFrames.Gateway, GuestFrames.Guest);
        GuestTcp guest = new(bench, port, GuestFrames.Gateway, GuestFrames.Read16(syn, 0)) { Expected = GuestFrames.Read32(syn, 4) + 1 };
        guest.Send(Syn | Ack, options: [.. SegmentSize1460, .. Scale7]);
        guest.Receive(); // the acknowledgment
        return guest;
    }

    /// <returns>The data, and the offset in it of the byte that the last pointer marked.</returns>
    private (byte[] Data, uint Marked) ReceiveMarked(int count)
    {
        uint start = _guest.Expected;
        uint? marked = null;
        List<byte> bytes = [];
        while (bytes.Count < count)
        {
            GuestSegment segment = _guest.Accept();
            bytes.AddRange(segment.Data);
            marked = (segment.Flags & Urg) != 0 ? segment.Sequence + segment.Urgent - 1 - start : marked;
            _guest.Send(Ack);
        }

        return ([.. bytes], marked ?? uint.MaxValue);
    }

    private static byte[] ReadUrgent(Socket host)
    {
        byte[] urgent = new byte[1];
        bool came = SpinWait.SpinUntil(() => host.Poll(0, SelectMode.SelectError), TimeSpan.FromSeconds(10));
        Assert.True(came, "Nothing urgent came to the host.");
        return urgent[..host.Receive(urgent, SocketFlags.OutOfBand)];
    }
}
