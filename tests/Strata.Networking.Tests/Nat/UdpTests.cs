using System.Net;
using System.Net.Sockets;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>UDP through host sockets: conversations, name service, forwarded ports, limits.</summary>
public sealed class UdpTests : IDisposable
{
    private const long Second = 1_000_000_000;
    private readonly Socket _host = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };

    public UdpTests() => _host.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    private ushort HostPort => (ushort)((IPEndPoint)_host.LocalEndPoint!).Port;

    public void Dispose() => _host.Dispose();

    [Fact]
    public void Datagram_ToTheGateway_ReachesTheHostAndTheAnswerComesBack()
    {
        using NatBench bench = new();
        bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 4000, HostPort, [1, 2, 3])));

        EndPoint sender = new IPEndPoint(IPAddress.Any, 0);
        byte[] heard = new byte[100];
        int count = _host.ReceiveFrom(heard, ref sender);
        _host.SendTo([4, 5, 6, 7, 8], sender);

        Assert.Equal([1, 2, 3], heard[..count]);
        byte[] answer = OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest);
        Assert.Equal(UdpDatagram(Gateway, Guest, HostPort, 4000, [4, 5, 6, 7, 8]), answer);
    }

    [Fact]
    public void Datagram_WrongChecksum_IsDropped()
    {
        using NatBench bench = new();
        byte[] datagram = UdpDatagram(Guest, Gateway, 4000, HostPort, [1, 2, 3]);
        datagram[9] ^= 1;

        bench.Send(Packet(Guest, Gateway, UdpProtocol, datagram));

        Assert.Equal(0, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Datagram_LargerThanTheMtu_GoesAndComesInFragments()
    {
        using NatBench bench = new();
        byte[] data = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 13))];
        byte[] datagram = UdpDatagram(Guest, Gateway, 4000, HostPort, data);
        foreach (int at in (ReadOnlySpan<int>)[2960, 0, 4440, 1480]) // out of order
        {
            byte[] piece = datagram[at..Math.Min(datagram.Length, at + 1480)];
            int field = (at / 8) | (at + 1480 < datagram.Length ? 0x2000 : 0);
            bench.Send(Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, piece, identification: 5, field)));
        }

        EndPoint sender = new IPEndPoint(IPAddress.Any, 0);
        byte[] heard = new byte[10_000];
        int count = _host.ReceiveFrom(heard, ref sender);
        _host.SendTo(heard.AsSpan(0, count), sender);

        List<byte> whole = [];
        while (whole.Count < datagram.Length)
        {
            whole.AddRange(OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest));
        }

        Assert.Equal(UdpDatagram(Gateway, Guest, HostPort, 4000, data), whole.ToArray());
        Assert.Equal(0, bench.Network.TableSizes.Fragments);
    }

    [Fact]
    public void Datagram_ToTheNameServer_GoesToTheHostsResolver()
    {
        using NatBench bench = new(new UserNetworkOptions { Resolver = (IPEndPoint)_host.LocalEndPoint! });
        bench.Send(Packet(Guest, GuestFrames.Dns, UdpProtocol, UdpDatagram(Guest, GuestFrames.Dns, 4001, 53, [7, 7, 1, 0])));

        EndPoint sender = new IPEndPoint(IPAddress.Any, 0);
        byte[] heard = new byte[100];
        int count = _host.ReceiveFrom(heard, ref sender);
        _host.SendTo([7, 7, 0x81, 0x80], sender);

        Assert.Equal([7, 7, 1, 0], heard[..count]);
        byte[] answer = OpenIpv4(bench.Take().Bytes, UdpProtocol, GuestFrames.Dns, Guest);
        Assert.Equal(UdpDatagram(GuestFrames.Dns, Guest, 53, 4001, [7, 7, 0x81, 0x80]), answer);
    }

    [Fact]
    public void Datagram_ToAPortWithoutListener_BringsPortUnreachableWithTheQuotedHeader()
    {
        using NatBench bench = new();
        ushort port = HostPort;
        _host.Dispose();

        byte[] packet = Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 4002, port, [1]));
        bench.Send(packet);

        byte[] message = OpenIpv4(bench.Take().Bytes, IcmpProtocol, Gateway, Guest);
        Assert.Equal(3, message[0]);
        Assert.Equal(3, message[1]);
        Assert.Equal(0, Checksum(message));
        Assert.Equal(UdpDatagram(Guest, Gateway, 4002, port, [1])[..6], message[28..34]);
    }

    [Fact]
    public void Datagram_ToADeniedPlace_BringsProhibited()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });

        bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 4000, HostPort, [1])));

        byte[] message = OpenIpv4(bench.Take().Bytes, IcmpProtocol, Gateway, Guest);
        Assert.Equal([3, 13], message[..2]);
        Assert.Equal(0, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Flows_Idle_EndAfterAMinute()
    {
        using NatBench bench = new();
        bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 4000, HostPort, [1])));
        Assert.Equal(1, bench.Network.UdpFlowCount);

        bench.Clock.Advance(50 * Second);
        Assert.Equal(1, bench.Network.UdpFlowCount);
        bench.Clock.Advance(30 * Second);

        Assert.Equal(0, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Flows_MoreThanTheLimit_EndTheOldest()
    {
        using NatBench bench = new(new UserNetworkOptions { MaxUdpFlows = 4 });

        for (ushort port = 5000; port < 5020; port++)
        {
            bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, port, HostPort, [1])));
        }

        Assert.Equal(4, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Forward_DatagramToTheHostPort_ReachesTheGuestAndItsAnswerTheSender()
    {
        PortForward forward = new(TransportProtocol.Udp, IPAddress.Loopback, 0, 5353);
        using NatBench bench = new(new UserNetworkOptions { Forwards = [forward], Egress = EgressPolicy.DenyAll });
        bench.Introduce();

        _host.SendTo([9, 8, 7], bench.Network.ListenEndPoint(forward)!);
        byte[] datagram = OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest);
        bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 5353, HostPort, [6, 5])));

        Assert.Equal(UdpDatagram(Gateway, Guest, HostPort, 5353, [9, 8, 7]), datagram);
        byte[] heard = new byte[10];
        Assert.Equal(2, _host.Receive(heard));
        Assert.Equal([6, 5], heard[..2]);
    }

    [Fact]
    public void Forward_EmptyDatagram_ReachesTheGuestAsWell()
    {
        PortForward forward = new(TransportProtocol.Udp, IPAddress.Loopback, 0, 5353);
        using NatBench bench = new(new UserNetworkOptions { Forwards = [forward] });
        bench.Introduce();

        _host.SendTo([], bench.Network.ListenEndPoint(forward)!);
        _host.SendTo([1], bench.Network.ListenEndPoint(forward)!);

        Assert.Equal(UdpDatagram(Gateway, Guest, HostPort, 5353, []), OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest));
        Assert.Equal(UdpDatagram(Gateway, Guest, HostPort, 5353, [1]), OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest));
    }
}
