using System.Net;
using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tcp;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Tcp;

/// <summary>How connections begin and are refused. RFC 9293, "Establishing a Connection".</summary>
public sealed class TcpOpeningTests : IDisposable
{
    private const long Second = 1_000_000_000;

    private static readonly PortForward Ssh = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, 22);

    private readonly NatBench _bench = new();
    private readonly HostServer _server = new();

    public void Dispose()
    {
        _bench.Dispose();
        _server.Dispose();
    }

    [Fact]
    public void Open_ListeningHost_OffersSegmentSizeAndScale()
    {
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port);

        GuestSegment answer = guest.Open();

        Assert.Equal([.. SegmentSize1460, .. Scale7], answer.Options);
        Assert.Equal(0xFFFF, answer.Window);
        Assert.Equal(1, _bench.Network.ConnectionCount);
        using Socket host = _server.Accept();
    }

    [Fact]
    public void Open_GuestWithoutScale_GetsNone()
    {
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port);

        GuestSegment answer = guest.Open(SegmentSize1460);

        Assert.Equal(SegmentSize1460, answer.Options);
    }

    [Fact]
    public void Open_NobodyListens_IsReset()
    {
        _server.Dispose();
        using HostServer closed = new();
        ushort port = closed.Port;
        closed.Dispose();
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, port);

        guest.Send(Syn);

        GuestSegment answer = guest.Receive();
        Assert.Equal(Rst | Ack, answer.Flags);
        Assert.Equal(guest.Next, answer.Acknowledgment);
        NatBench.WaitUntil(() => _bench.Network.ConnectionCount == 0, "the connection's end");
    }

    [Fact]
    public void Open_DeniedPlace_BringsProhibited()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });
        GuestTcp guest = new(bench, 40000, GuestFrames.Gateway, _server.Port);

        guest.Send(Syn);

        byte[] message = GuestFrames.OpenIpv4(bench.Take().Bytes, GuestFrames.IcmpProtocol, GuestFrames.Gateway, GuestFrames.Guest);
        Assert.Equal([3, 13], message[..2]);
        Assert.Equal(0, bench.Network.ConnectionCount);
    }

    [Fact]
    public void Open_RepeatedSyn_IsAnsweredAgainWithTheSameNumber()
    {
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port);
        guest.Send(Syn);
        GuestSegment first = guest.Receive();

        guest.Send(Syn, sequence: guest.Next - 1);

        GuestSegment second = guest.Receive();
        Assert.Equal(Syn | Ack, second.Flags);
        Assert.Equal(first.Sequence, second.Sequence);
    }

    [Fact]
    public void Open_AnswerIsLost_IsRepeatedAfterASecondThenTwo()
    {
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port);
        guest.Send(Syn);
        guest.Receive();

        _bench.Clock.Advance(Second - 1);
        _bench.AssertSilent();
        _bench.Clock.Advance(1);
        Assert.Equal(Syn | Ack, guest.Receive().Flags);
        _bench.Clock.Advance((2 * Second) - 1);
        _bench.AssertSilent();
        _bench.Clock.Advance(1);
        Assert.Equal(Syn | Ack, guest.Receive().Flags);
    }

    [Fact]
    public void Open_GuestNeverAnswers_IsGivenUp()
    {
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port);
        guest.Send(Syn);
        guest.Receive();

        _bench.Clock.Advance(200 * Second);

        Assert.Equal(0, _bench.Network.ConnectionCount);
        using Socket host = _server.Accept();
        SocketException error = Assert.Throws<SocketException>(() => host.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
    }

    [Fact]
    public void Segment_OfNoConnection_IsReset()
    {
        _bench.Introduce();
        GuestTcp guest = new(_bench, 40000, GuestFrames.Gateway, _server.Port) { Next = 500, Expected = 700 };

        guest.Send(Ack, [1, 2, 3]);

        GuestSegment answer = guest.Receive();
        Assert.Equal(Rst, answer.Flags);
        Assert.Equal(700U, answer.Sequence);
    }

    [Fact]
    public void Open_TableFull_IsReset()
    {
        using NatBench bench = new(new UserNetworkOptions { MaxConnections = 3 });
        for (ushort port = 1; port <= 3; port++)
        {
            new GuestTcp(bench, port, GuestFrames.Gateway, _server.Port).Open();
        }

        GuestTcp fourth = new(bench, 4, GuestFrames.Gateway, _server.Port);
        fourth.Send(Syn);

        Assert.Equal(Rst | Ack, fourth.Receive().Flags);
        Assert.Equal(3, bench.Network.ConnectionCount);
    }

    [Fact]
    public void Forward_HostCallsThePort_GuestIsCalledAndBytesFlow()
    {
        using NatBench bench = new(new UserNetworkOptions { Forwards = [Ssh] });
        using Socket caller = CallSsh(bench, out GuestTcp guest);

        GuestSegment call = guest.Receive();
        Assert.Equal(Syn, call.Flags);
        Assert.Equal([.. SegmentSize1460, .. Scale7], call.Options);
        guest.Expected = call.Sequence + 1;
        guest.Send(Syn | Ack, options: [.. SegmentSize1460, .. Scale7]);
        Assert.Equal(Ack, guest.Receive().Flags);
        caller.Send("from host"u8);
        byte[] atGuest = guest.ReceiveData(9);
        guest.Send(Ack | Psh, [.. "from guest"u8]);

        Assert.Equal("from host"u8.ToArray(), atGuest);
        Assert.Equal("from guest"u8.ToArray(), HostServer.Read(caller, 10));
    }

    [Fact]
    public void Forward_GuestRefuses_HostsCallerIsReset()
    {
        using NatBench bench = new(new UserNetworkOptions { Forwards = [Ssh] });
        using Socket caller = CallSsh(bench, out GuestTcp guest);
        guest.Expected = guest.Receive().Sequence + 1;

        guest.Send(Rst | Ack);

        SocketException error = Assert.Throws<SocketException>(() => caller.Receive(new byte[1]));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        Assert.Equal(0, bench.Network.ConnectionCount);
    }

    /// <summary>
    /// A guest in TIME-WAIT answers for the old connection: the reset ends that, and the call is repeated at once, but once only.
    /// </summary>
    [Fact]
    public void Forward_GuestRemembersAnOldConnection_IsCalledAgainAtOnce()
    {
        using NatBench bench = new(new UserNetworkOptions { Forwards = [Ssh] });
        using Socket caller = CallSsh(bench, out GuestTcp guest);
        uint call = guest.Receive().Sequence;
        guest.Expected = call - 1000; // what it has seen last

        guest.Send(Ack);
        GuestSegment reset = guest.Receive();
        GuestSegment again = guest.Receive();
        guest.Send(Ack);
        GuestSegment secondReset = guest.Receive();

        Assert.Equal((Rst, call - 1000), (reset.Flags, reset.Sequence));
        Assert.Equal((Syn, call), (again.Flags, again.Sequence));
        Assert.Equal(Rst, secondReset.Flags);
        bench.AssertSilent();
    }

    [Fact]
    public void Next_SameConversationLater_IsGreater()
    {
        ManualClock clock = new();
        InitialSequences sequences = new(clock);
        FlowKey key = new(new Ipv4Address(0x0A00_020F), 22, new Ipv4Address(0x0A00_0202), 40000);
        uint first = sequences.Next(key);

        clock.Advance(Second / 1000);

        Assert.InRange(sequences.Next(key) - first, 1U, 100_000U);
        Assert.NotEqual(sequences.Next(key), sequences.Next(key with { RemotePort = 40001 }));
    }

    [Fact]
    public void Forward_BothCallAtTheSameTime_Connect()
    {
        using NatBench bench = new(new UserNetworkOptions { Forwards = [Ssh] });
        using Socket caller = CallSsh(bench, out GuestTcp guest);
        guest.Expected = guest.Receive().Sequence + 1;

        guest.Send(Syn, options: SegmentSize1460);
        GuestSegment answer = guest.Receive();
        guest.Send(Ack);
        guest.Send(Ack | Psh, [42]);

        Assert.Equal(Syn | Ack, answer.Flags);
        Assert.Equal([42], HostServer.Read(caller, 1));
    }

    [Fact]
    public void Forward_PortInUse_SaysWhichAndWhatToDo()
    {
        PortForward forward = new(TransportProtocol.Tcp, IPAddress.Loopback, _server.Port, 22);

        IOException error = Assert.Throws<IOException>(() => new NatBench(new UserNetworkOptions { Forwards = [forward] }));

        Assert.Contains($"127.0.0.1:{_server.Port}", error.Message, StringComparison.Ordinal);
        Assert.Contains("choose another", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A program of the host calls the forwarded port.</summary>
    /// <param name="guest">The guest's end, which has not answered.</param>
    private static Socket CallSsh(NatBench bench, out GuestTcp guest)
    {
        bench.Introduce();
        Socket caller = HostServer.Limit(new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        caller.Connect(bench.Network.ListenEndPoint(Ssh)!);
        guest = new GuestTcp(bench, 22, GuestFrames.Gateway, (ushort)((IPEndPoint)caller.LocalEndPoint!).Port);
        return caller;
    }
}
