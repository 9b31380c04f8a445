using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Nat;

/// <summary>Forwarded ports of a card whose router is in another process.</summary>
public sealed class PortForwarderTests : IGuestWire, IDisposable
{
    private const string GuestMacText = "52:54:00:12:34:56";

    private static readonly PortForward Ssh = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, 22);
    private static readonly PortForward NameServer = new(TransportProtocol.Udp, IPAddress.Loopback, 0, 53);

    private readonly ManualClock _clock = new();
    private readonly Uplink _network = new();
    private readonly RecordingReceiver _card = new();
    private readonly PortForwarder _forwarder;

    public PortForwarderTests()
    {
        _forwarder = new PortForwarder(_network, MacAddress.Read(GuestMac), [Ssh, NameServer], _clock);
        _forwarder.Connect(_card);
    }

    public void Dispose() => _forwarder.Dispose();

    void IGuestWire.Send(byte[] frame) => Send(frame);

    RecordedFrame IGuestWire.Take() => Take();

    [Fact]
    public void Connection_ToAGuestThatGotAnAddress_StaysBetweenTheTwo()
    {
        Grant(Guest);
        using Socket caller = Call();
        GuestTcp guest = new(this, 22, Gateway, PortOf(caller));

        GuestSegment call = guest.Receive();
        guest.Expected = call.Sequence + 1;
        guest.Send(Syn | Ack, options: [.. SegmentSize1460, .. Scale7]);
        guest.Receive();
        caller.Send("from host"u8);
        byte[] atGuest = guest.ReceiveData(9);
        guest.Send(Ack | Psh, [.. "from guest"u8]);

        Assert.Equal(Syn, call.Flags);
        Assert.Equal("from host"u8.ToArray(), atGuest);
        Assert.Equal("from guest"u8.ToArray(), HostServer.Read(caller, 10));
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void Connection_ToAGuestOfAFixedAddress_FindsItByWhatItSends()
    {
        Send(Packet([10, 0, 2, 77], GuestFrames.Dns, UdpProtocol, UdpDatagram([10, 0, 2, 77], GuestFrames.Dns, 1000, 53, [1])));

        using Socket caller = Call();

        OpenIpv4(Take().Bytes, TcpProtocol, Gateway, [10, 0, 2, 77]);
        Assert.Single(_network.Sent);
    }

    [Fact]
    public void Connection_BeforeTheGuestHasAnAddress_IsHungUpOn()
    {
        using Socket caller = Call();

        Assert.Equal(0, ReceiveOrReset(caller));
        Assert.Null(_card.TryTake());
    }

    [Theory]
    [InlineData(2, GuestMacText, true)]
    [InlineData(1, GuestMacText, false)]     // a request
    [InlineData(2, "52:54:00:12:34:57", false)] // another client's
    public void Grant_OfAServer_CountsForItsClientOnly(byte op, string client, bool counts)
    {
        Assert.True(MacAddress.TryParse(client, out MacAddress mac));
        Grant(Guest, op, mac.ToBytes());

        using Socket caller = Call();

        Assert.Equal(counts, SpinWait.SpinUntil(() => _card.Count > 0, counts ? 10_000 : 100));
    }

    [Fact]
    public void Datagram_ToTheHostPort_ReachesTheGuestAndItsAnswerTheSender()
    {
        Grant(Guest);
        using Socket host = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        host.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        host.SendTo([9, 8, 7], _forwarder.ListenEndPoint(NameServer)!);
        byte[] datagram = OpenIpv4(Take().Bytes, UdpProtocol, Gateway, Guest);

        Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 53, PortOf(host), [6, 5])));

        Assert.Equal(UdpDatagram(Gateway, Guest, PortOf(host), 53, [9, 8, 7]), datagram);
        byte[] heard = new byte[10];
        Assert.Equal(2, host.Receive(heard));
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void Answer_InFragmentsOutOfOrder_ReachesTheSenderWhole()
    {
        Grant(Guest);
        using Socket host = SendToNameServer();
        byte[] answer = new byte[3000];
        new Random(1).NextBytes(answer);

        Array.ForEach(InFragments(UdpDatagram(Guest, Gateway, 53, PortOf(host), answer)).Reverse().ToArray(), Send);

        byte[] heard = new byte[4000];
        Assert.Equal(answer.Length, host.Receive(heard));
        Assert.Equal(answer, heard[..answer.Length]);
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void Fragments_OfOtherConversations_GoToTheNetworkWhenAllAreThere()
    {
        Grant(Guest);
        using Socket host = SendToNameServer();
        byte[][] frames = InFragments(UdpDatagram(Guest, Gateway, 4000, 9, new byte[3000]));

        Array.ForEach(frames[..^1], Send);
        Assert.Empty(_network.Sent);
        Send(frames[^1]);

        Assert.Equal(frames, _network.Sent);
        Assert.Equal(0, host.Available);
    }

    [Fact]
    public void Fragments_WithoutAConversation_GoToTheNetworkAtOnce()
    {
        Grant(Guest);
        byte[][] frames = InFragments(UdpDatagram(Guest, Gateway, 4000, 9, new byte[3000]));

        Send(frames[0]);

        Assert.Equal([frames[0]], _network.Sent);
    }

    /// <summary>
    /// A guest that begins datagrams and never ends them costs a bounded number of frames, and its next answer still arrives.
    /// </summary>
    [Fact]
    public void Fragments_NeverEndingOrTiny_AreForgotten()
    {
        Grant(Guest);
        using Socket host = SendToNameServer();
        for (ushort identification = 100; identification < 1100; identification++)
        {
            Send(Fragment(identification, 0, more: true, new byte[1400]));
        }

        for (int i = 0; i < 500; i++)
        {
            Send(Fragment(2000, i * 8, more: true, new byte[8]));
        }

        Array.ForEach(InFragments(UdpDatagram(Guest, Gateway, 53, PortOf(host), new byte[2000])), Send);

        Assert.Equal(2000, host.Receive(new byte[4000]));
        Assert.Empty(_network.Sent);
    }

    [Fact]
    public void Frames_OfOtherConversations_GoToTheNetwork()
    {
        Grant(Guest);
        using Socket caller = Call();
        GuestTcp own = new(this, 22, Gateway, PortOf(caller));
        own.Receive();
        GuestTcp other = new(this, 4000, Gateway, 80);

        other.Send(Syn);
        Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 53, 9, [1])));
        Send(Packet(Guest, [10, 0, 2, 99], TcpProtocol, new byte[20]));
        Send(Ethernet(GatewayMac, GuestMac, 0x0800, [1, 2, 3]));
        Send([1]);

        Assert.Equal(5, _network.Sent.Count);
    }

    /// <summary>The router, which would answer, may be between two processes.</summary>
    [Fact]
    public void AddressQuestion_DuringAConversation_IsAnsweredAndPassedOn()
    {
        byte[] question = Ethernet(
            Everybody, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, .. GuestMac, .. Guest, 0, 0, 0, 0, 0, 0, .. Gateway]);
        Grant(Guest);
        Send(question);
        Assert.Null(_card.TryTake());
        using Socket caller = Call();
        Take();

        Send(question);

        Assert.Equal([.. GatewayMac, .. Gateway], Take().Bytes[22..32]);
        Assert.Equal(2, _network.Sent.Count);
    }

    [Fact]
    public void Card_ThatWasFull_GetsWhatWaits()
    {
        Grant(Guest);
        _card.Room = 0;
        using Socket caller = Call();
        Assert.False(SpinWait.SpinUntil(() => _card.Count > 0, 50));

        _card.Room = int.MaxValue;
        _clock.Advance(TimeSpan.FromSeconds(5).Ticks * 100); // its SYN again
        _forwarder.Resume();

        OpenIpv4(Take().Bytes, TcpProtocol, Gateway, Guest);
        Assert.Equal(1, _network.Resumes);
    }

    [Fact]
    public void Constructor_PortThatIsTaken_SaysSo()
    {
        PortForward same = Ssh with { HostPort = _forwarder.ListenEndPoint(Ssh)!.Port };

        IOException error = Assert.Throws<IOException>(() => new PortForwarder(_network, MacAddress.Read(GuestMac), [same], _clock));

        Assert.Contains("another program uses it", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A sender whom the guest has heard.</summary>
    private Socket SendToNameServer()
    {
        Socket host = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        host.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        host.SendTo([1], _forwarder.ListenEndPoint(NameServer)!);
        Take();
        return host;
    }

    private static byte[][] InFragments(byte[] payload) =>
        [.. payload.Chunk(1480).Select((piece, i) => Fragment(7, i * 1480, more: (i + 1) * 1480 < payload.Length, piece))];

    private static byte[] Fragment(ushort identification, int offset, bool more, byte[] piece) =>
        Ethernet(
            GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, piece, identification, (offset / 8) | (more ? 0x2000 : 0)));

    private static ushort PortOf(Socket socket) => (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;

    private static int ReceiveOrReset(Socket socket)
    {
        try
        {
            return socket.Receive(new byte[1]);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return 0;
        }
    }

    private void Send(byte[] frame) => _forwarder.Send(frame, FrameOffload.None);

    private RecordedFrame Take()
    {
        RecordedFrame? frame = null;
        NatBench.WaitUntil(() => (frame = _card.TryTake()) is not null, "a frame to the guest");
        return frame!;
    }

    private Socket Call()
    {
        Socket caller = HostServer.Limit(new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        caller.Connect(_forwarder.ListenEndPoint(Ssh)!);
        return caller;
    }

    /// <summary>The network's DHCP server gives an address, and the guest takes the frame.</summary>
    private void Grant(byte[] address, byte op = 2, byte[]? client = null)
    {
        byte[] message = new byte[244];
        message[0] = op;
        message[1] = 1;
        message[2] = 6;
        address.CopyTo(message, 16);
        (client ?? GuestMac).CopyTo(message, 28);
        ((byte[])[0x63, 0x82, 0x53, 0x63, 53, 1, 5, 255]).CopyTo(message, 236);
        byte[] frame = Ethernet(
            GuestMac, GatewayMac, 0x0800, Ipv4(Gateway, address, UdpProtocol, UdpDatagram(Gateway, address, 67, 68, message)));
        Assert.True(_network.Receiver!.TryReceive(frame, [], FrameOffload.None));
        Assert.Equal(frame, _card.TryTake()!.Bytes);
    }

    private sealed class Uplink : INetworkBackend
    {
        public FrameFeatures Accepts => FrameFeatures.None;

        public IFrameReceiver? Receiver { get; private set; }

        public List<byte[]> Sent { get; } = [];

        public int Resumes { get; private set; }

        public void Connect(IFrameReceiver receiver) => Receiver = receiver;

        public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload) => Sent.Add(frame.ToArray());

        public void Resume() => Resumes++;

        public void Dispose()
        {
            // Holds nothing.
        }
    }
}
