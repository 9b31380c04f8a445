using System.Net;
using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>
/// The first packets to a guest that has not sent any yet: they wait until it says who it is, or are known to be its by DHCP.
/// </summary>
public sealed class WaitingPacketsTests : IDisposable
{
    private const long Second = 1_000_000_000;
    private const int SshPort = 22;

    private static readonly PortForward Names = new(TransportProtocol.Udp, IPAddress.Loopback, 0, 5353);
    private static readonly PortForward Ssh = new(TransportProtocol.Tcp, IPAddress.Loopback, 0, SshPort);

    private readonly Socket _host = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
    private readonly NatBench _bench = new(new UserNetworkOptions { Forwards = [Names, Ssh] });

    public WaitingPacketsTests() => _host.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    private ushort HostPort => (ushort)((IPEndPoint)_host.LocalEndPoint!).Port;

    public void Dispose()
    {
        _host.Dispose();
        _bench.Dispose();
    }

    [Fact]
    public void Forward_FirstDatagramToAGuestThatHasOnlyGotItsAddress_Arrives()
    {
        TakeAddress();

        SendToGuest(1);

        Assert.Equal(Datagram(1), OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, Guest));
    }

    [Fact]
    public void Forward_FirstDatagramToAGuestWithAStaticAddress_ArrivesWhenItAnswers()
    {
        SendToGuest(1);
        AssertAsked();

        Answer();

        Assert.Equal(Datagram(1), OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, Guest));
    }

    [Fact]
    public void Forward_MoreThanAFewDatagramsBeforeTheAnswer_BringsTheNewest()
    {
        for (byte i = 1; i <= WaitingPackets.MostPackets + 2; i++)
        {
            SendToGuest(i);
            AssertAsked();
        }

        Answer();

        for (byte i = 3; i <= WaitingPackets.MostPackets + 2; i++)
        {
            Assert.Equal(Datagram(i), OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, Guest));
        }

        _bench.AssertSilent();
    }

    [Fact]
    public void Forward_AnswerThatComesTooLate_BringsNothing()
    {
        SendToGuest(1);
        AssertAsked();
        _bench.Clock.Advance(4 * Second);

        Answer();

        _bench.AssertSilent();
    }

    [Fact]
    public void Forward_DatagramBeforeTheGuestHasAnAddress_WaitsUntilItUsesIt()
    {
        SendToGuest(1);
        AssertAsked();

        TakeAddress();
        _bench.AssertSilent(); // it would not take it yet

        Answer();
        Assert.Equal(Datagram(1), OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, Guest));
    }

    [Fact]
    public void Forward_FirstCallToAGuestWithAStaticAddress_IsMadeWhenItAnswers()
    {
        using Socket caller = HostServer.Limit(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        caller.Connect(_bench.Network.ListenEndPoint(Ssh)!);
        GuestTcp guest = new(_bench, SshPort, Gateway, (ushort)((IPEndPoint)caller.LocalEndPoint!).Port);
        AssertAsked();

        Answer();

        GuestSegment call = guest.Receive();
        guest.Expected = call.Sequence + 1;
        guest.Send(GuestTcp.Syn | GuestTcp.Ack);
        Assert.Equal((GuestTcp.Syn, GuestTcp.Ack), (call.Flags, guest.Receive().Flags));
    }

    [Ipv6Fact]
    public void Datagram_ToAnIpv6GuestThatWasForgotten_ArrivesWhenItAnswers()
    {
        using Socket host = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        host.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        ushort port = (ushort)((IPEndPoint)host.LocalEndPoint!).Port;
        _bench.Send(Packet(Guest6, Gateway6, UdpProtocol, UdpDatagram(Guest6, Gateway6, 4000, port, [1])));
        EndPoint flow = new IPEndPoint(IPAddress.IPv6Any, 0);
        host.ReceiveFrom(new byte[10], ref flow);
        Assert.Single(_bench.Network.GetUnits("network")).Reset();

        host.SendTo([7], flow);
        byte[] question = _bench.Take().Bytes;
        _bench.Send(OnLink(Guest6, RouterLocal, 136, [0x60, 0, 0, 0, .. Guest6, 2, 1, .. GuestMac]));

        Assert.Equal(135, question[54]);
        Assert.Equal(UdpDatagram(Gateway6, Guest6, port, 4000, [7]), OpenIpv6(_bench.Take().Bytes, UdpProtocol, Gateway6, Guest6));
    }

    [Fact]
    public void Add_MoreStationsThanAreRemembered_ForgetsTheFirst()
    {
        ManualClock clock = new();
        WaitingPackets waiting = new(clock);
        for (byte i = 0; i <= WaitingPackets.MostStations; i++)
        {
            waiting.Add(Station(200), Station(i), UdpProtocol, [i]);
        }

        Assert.Empty(waiting.Take(Station(0)));
        Assert.Equal([1], Assert.Single(waiting.Take(Station(1))).Payload);
        Assert.Equal([WaitingPackets.MostStations], Assert.Single(waiting.Take(Station(WaitingPackets.MostStations))).Payload);
    }

    private static Networking.Frames.Ipv4Address Station(byte number) => new(0x0A00_0200u + number);

    private byte[] Datagram(byte data) => UdpDatagram(Gateway, Guest, HostPort, 5353, [data]);

    private void SendToGuest(byte data) => _host.SendTo([data], _bench.Network.ListenEndPoint(Names)!);

    /// <summary>The guest asks for its address, and gets it.</summary>
    private void TakeAddress()
    {
        _bench.Send(Dhcp(GuestMac, [53, 1, 3, 50, 4, .. Guest, 54, 4, .. Gateway]));
        Assert.Equal(0x0800, Read16(_bench.Take().Bytes, 12));
    }

    private void AssertAsked()
    {
        byte[] question = _bench.Take().Bytes;
        Assert.Equal((0x0806, 1), (Read16(question, 12), Read16(question, 20)));
    }

    private void Answer() => _bench.Send(Ethernet(
        GatewayMac, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 2, .. GuestMac, .. Guest, .. GatewayMac, .. Gateway]));
}
