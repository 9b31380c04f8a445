using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;
using static Strata.Networking.Tests.Harness.GuestTcp;

namespace Strata.Networking.Tests.Nat;

/// <summary>TCP, UDP and pings over IPv6: what IPv4 does, by the other addresses.</summary>
public sealed class Ipv6FlowTests
{
    private const byte Unreachable = 1;

    [Ipv6Fact]
    public void Tcp_ToTheRouter_ReachesTheHostsLoopbackInBothDirections()
    {
        using NatBench bench = new();
        using HostServer server = new(IPAddress.IPv6Loopback);
        bench.IntroduceIpv6();
        GuestTcp guest = new(bench, 40000, Gateway6, server.Port);

        GuestSegment answer = guest.Open([.. SegmentSize1440, .. Scale7]);
        using Socket host = server.Accept();
        guest.Send(Psh | Ack, [1, 2, 3]);
        byte[] heard = HostServer.Read(host, 3);
        guest.WaitForAcknowledgment();
        host.Send([4, 5]);
        byte[] told = guest.ReceiveData(2);

        Assert.Equal([.. SegmentSize1440, .. Scale7], answer.Options);
        Assert.Equal(IPAddress.IPv6Loopback, ((IPEndPoint)host.RemoteEndPoint!).Address);
        Assert.Equal([1, 2, 3], heard);
        Assert.Equal([4, 5], told);
    }

    [Ipv6Fact]
    public void Tcp_CardThatCutsSegments_GetsLargeOnesOfIpv6()
    {
        using NatBench bench = new();
        using HostServer server = new(IPAddress.IPv6Loopback);
        bench.Card.Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;
        bench.IntroduceIpv6();
        GuestTcp guest = new(bench, 40000, Gateway6, server.Port);
        guest.Open([.. SegmentSize1440, .. Scale7]);
        using Socket host = server.Accept();
        byte[] data = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 11))];

        host.Send(data);
        List<byte> heard = [];
        List<GuestSegment> segments = [];
        while (heard.Count < data.Length)
        {
            segments.Add(guest.Accept());
            heard.AddRange(segments[^1].Data);
            guest.Send(Ack);
        }

        Assert.Equal(data, heard.ToArray());
        GuestSegment large = segments.MaxBy(segment => segment.Data.Length)!;
        Assert.InRange(large.Data.Length, 20_000, 65_535 - 60);
        Assert.Equal((FrameFeatures.Tcp6Segmentation, (ushort)1440), (large.Offload.Segmentation, large.Offload.SegmentSize));
    }

    [Ipv6Fact]
    public void Tcp_CardThatCutsIpv4Only_GetsSmallSegments()
    {
        using NatBench bench = new();
        using HostServer server = new(IPAddress.IPv6Loopback);
        bench.Card.Accepts = FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation;
        bench.IntroduceIpv6();
        GuestTcp guest = new(bench, 40000, Gateway6, server.Port);
        guest.Open([.. SegmentSize1440, .. Scale7]);
        using Socket host = server.Accept();

        host.Send(new byte[20_000]);
        for (int heard = 0; heard < 20_000;)
        {
            GuestSegment segment = guest.Accept();
            heard += segment.Data.Length;
            guest.Send(Ack);
            Assert.InRange(segment.Data.Length, 1, 1440);
            Assert.Equal(FrameFeatures.None, segment.Offload.Segmentation);
        }
    }

    [Ipv6Fact]
    public void Tcp_LargeSegmentFromTheGuest_ReachesTheHostWhole()
    {
        using NatBench bench = new();
        using HostServer server = new(IPAddress.IPv6Loopback);
        bench.IntroduceIpv6();
        GuestTcp guest = new(bench, 40000, Gateway6, server.Port);
        guest.Open([.. SegmentSize1440, .. Scale7]);
        using Socket host = server.Accept();
        byte[] data = [.. Enumerable.Range(0, 60_000).Select(i => (byte)(i * 13))];

        Assert.True(bench.Network.Accepts.HasFlag(FrameFeatures.Tcp6Segmentation));
        guest.Send(Psh | Ack, data);

        Assert.Equal(data, HostServer.Read(host, data.Length));
    }

    [Ipv6Fact]
    public void Tcp_NobodyListens_IsReset()
    {
        using NatBench bench = new();
        HostServer closed = new(IPAddress.IPv6Loopback);
        ushort port = closed.Port;
        closed.Dispose();
        GuestTcp guest = new(bench, 40000, Gateway6, port);

        guest.Send(Syn);

        Assert.Equal(Rst | Ack, guest.Receive().Flags);
    }

    [Ipv6Fact]
    public void Udp_ToTheRouter_ReachesTheHostAndTheAnswerComesBack()
    {
        using NatBench bench = new();
        using Socket host = UdpSocket();
        ushort port = PortOf(host);
        bench.Send(Packet(Guest6, Gateway6, UdpProtocol, UdpDatagram(Guest6, Gateway6, 4000, port, [1, 2, 3])));

        EndPoint sender = new IPEndPoint(IPAddress.IPv6Any, 0);
        byte[] heard = new byte[100];
        int count = host.ReceiveFrom(heard, ref sender);
        host.SendTo([4, 5, 6, 7, 8], sender);

        Assert.Equal([1, 2, 3], heard[..count]);
        byte[] answer = OpenIpv6(bench.Take().Bytes, UdpProtocol, Gateway6, Guest6);
        Assert.Equal(UdpDatagram(Gateway6, Guest6, port, 4000, [4, 5, 6, 7, 8]), answer);
    }

    [Ipv6Fact]
    public void Udp_AnswerLargerThanTheMtu_ComesInFragments()
    {
        using NatBench bench = new();
        using Socket host = UdpSocket();
        ushort port = PortOf(host);
        byte[] data = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 13))];
        bench.Send(Packet(Guest6, Gateway6, UdpProtocol, UdpDatagram(Guest6, Gateway6, 4000, port, [1])));
        EndPoint sender = new IPEndPoint(IPAddress.IPv6Any, 0);
        host.ReceiveFrom(new byte[10], ref sender);

        host.SendTo(data, sender);

        List<byte> whole = [];
        while (whole.Count < data.Length + 8)
        {
            RecordedFrame frame = bench.Take();
            Assert.InRange(frame.Bytes.Length, 1, EthernetSize + 1500);
            whole.AddRange(OpenIpv6(frame.Bytes, 44, Gateway6, Guest6)[8..]);
        }

        Assert.Equal(UdpDatagram(Gateway6, Guest6, port, 4000, data), whole.ToArray());
    }

    [Fact]
    public void Udp_ToTheNameServer_GoesToTheHostsResolver()
    {
        using Socket resolver = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        resolver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using NatBench bench = new(new UserNetworkOptions { Resolver = (IPEndPoint)resolver.LocalEndPoint! });
        bench.Send(Packet(Guest6, Dns6, UdpProtocol, UdpDatagram(Guest6, Dns6, 4001, 53, [7, 7, 1, 0])));

        EndPoint sender = new IPEndPoint(IPAddress.Any, 0);
        byte[] heard = new byte[100];
        int count = resolver.ReceiveFrom(heard, ref sender);
        resolver.SendTo([7, 7, 0x81, 0x80], sender);

        Assert.Equal([7, 7, 1, 0], heard[..count]);
        Assert.Equal(UdpDatagram(Dns6, Guest6, 53, 4001, [7, 7, 0x81, 0x80]), OpenIpv6(bench.Take().Bytes, UdpProtocol, Dns6, Guest6));
    }

    [Fact]
    public void Tcp_ToTheNameServer_GoesToTheHostsResolver()
    {
        using HostServer resolver = new();
        using NatBench bench = new(new UserNetworkOptions { Resolver = new IPEndPoint(IPAddress.Loopback, resolver.Port) });
        bench.IntroduceIpv6();
        GuestTcp guest = new(bench, 40001, Dns6, 53);

        guest.Open([.. SegmentSize1440, .. Scale7]);
        using Socket host = resolver.Accept();
        guest.Send(Psh | Ack, [0, 2, 7, 7]);

        Assert.Equal([0, 2, 7, 7], HostServer.Read(host, 4));
    }

    [Fact]
    public void Udp_QueryForAStationsName_IsAnsweredByTheNetworkItself()
    {
        using NatBench bench = new();
        bench.Network.AddStation(MacAddress.Read(GuestMac), "web", Ipv4Address.Read(Guest));
        byte[] query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, .. "web"u8, 0, 0, 1, 0, 1];

        bench.Send(Packet(Guest6, Dns6, UdpProtocol, UdpDatagram(Guest6, Dns6, 4001, 53, query)));

        Assert.Equal(Guest, OpenIpv6(bench.Take().Bytes, UdpProtocol, Dns6, Guest6)[^4..]);
    }

    [Ipv6Fact]
    public void Udp_ToAPortWithoutListener_BringsPortUnreachableWithTheQuotedHeader()
    {
        using NatBench bench = new();
        Socket host = UdpSocket();
        ushort port = PortOf(host);
        host.Dispose();

        bench.Send(Packet(Guest6, Gateway6, UdpProtocol, UdpDatagram(Guest6, Gateway6, 4002, port, [1])));

        byte[] message = OpenIpv6(bench.Take().Bytes, Icmp6Protocol, Gateway6, Guest6);
        Assert.Equal([Unreachable, 4], message[..2]);
        Assert.Equal([.. Guest6, .. Gateway6, .. UdpDatagram(Guest6, Gateway6, 4002, port, [1])[..6]], message[16..54]);
    }

    [Fact]
    public void Anything_OnANetworkThatRefusesEverything_BringsProhibited()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });
        byte[] outside = Address6("2001:db8::1");
        GuestTcp guest = new(bench, 40000, Gateway6, 80);

        guest.Send(Syn);
        bench.Send(Packet(Guest6, outside, UdpProtocol, UdpDatagram(Guest6, outside, 4000, 80, [1])));
        bench.Send(Packet(Guest6, outside, Icmp6Protocol, Icmp6(Guest6, outside, 128, 0, [0, 1, 0, 1])));
        bench.Send(Packet(Guest6, Dns6, UdpProtocol, UdpDatagram(Guest6, Dns6, 4000, 53, [1])));

        for (int i = 0; i < 4; i++)
        {
            Assert.Equal([Unreachable, 1], OpenIpv6(bench.Take().Bytes, Icmp6Protocol, Gateway6, Guest6)[..2]);
        }

        Assert.Equal((0, 0, 0), (bench.Network.ConnectionCount, bench.Network.UdpFlowCount, bench.Network.TableSizes.Pings));
    }

    [Theory]
    [InlineData("10.0.2.2", "fd53:7472:6174::2", true)]   // the host, by its other name
    [InlineData("10.0.2.3", "fd53:7472:6174::3", true)]
    [InlineData("10.0.2.2", "fd53:7472:6174::3", false)]
    [InlineData("192.168.0.0/16", "64:ff9b::c0a8:101", true)] // through the host's NAT64
    [InlineData("192.168.0.0/16", "2001:db8::c0a8:101", false)]
    [InlineData("fc00::/7", "fd12:3456::1", true)]
    [InlineData("fc00::/7", "2001:db8::1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("any", "2001:db8::1", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    public void Egress_DeniedPlace_IsDeniedByAllOfItsNames(string denied, string destination, bool isDenied)
    {
        Assert.True(EgressRule.TryParse(false, denied, out EgressRule? rule));
        HostAddresses addresses = new(new UserNetworkOptions { Egress = new EgressPolicy([rule], AllowOthers: true) });

        Assert.Equal(!isDenied, addresses.Allows(InternetAddress.Parse(destination), 80));
    }

    [Fact]
    public void Egress_DeniedIpv6NameOfTheHost_DeniesTheIpv4Name()
    {
        Assert.True(EgressRule.TryParse(false, "fd53:7472:6174::2", out EgressRule? rule));
        HostAddresses addresses = new(new UserNetworkOptions { Egress = new EgressPolicy([rule], AllowOthers: true) });

        Assert.False(addresses.Allows(Ipv4Address.Parse("10.0.2.2"), 80));
        Assert.True(addresses.Allows(Ipv4Address.Parse("10.0.2.3"), 53));
    }

    [Theory]
    [InlineData("fd53:7472:6174::77")]
    [InlineData("fe80::2")]
    [InlineData("fe80::77")]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("::127.0.0.1")]
    [InlineData("ff02::fb")]
    public void Udp_ToAPlaceThatIsNone_OpensNoSocket(string destination)
    {
        using NatBench bench = new();
        byte[] address = Address6(destination);

        bench.Send(Packet(Guest6, address, UdpProtocol, UdpDatagram(Guest6, address, 4000, 4000, [1])));

        Assert.Equal(0, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Translate_AddressOutside_IsTheHostsToo()
    {
        HostAddresses addresses = new(new UserNetworkOptions());

        Assert.Equal(IPEndPoint.Parse("[2001:db8::1]:443"), addresses.Translate(InternetAddress.Parse("2001:db8::1"), 443));
        Assert.Equal(IPEndPoint.Parse("[::1]:80"), addresses.Translate(InternetAddress.Parse("fd53:7472:6174::2"), 80));
    }

    [Fact]
    public void Error_AboutAnError_IsNeverSent()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });
        bench.IntroduceIpv6();
        byte[] outside = Address6("2001:db8::1");

        bench.Send(Packet(Guest6, outside, Icmp6Protocol, Icmp6(Guest6, outside, Unreachable, 0, new byte[60])));

        bench.AssertSilent();
    }

    [Ipv6Fact]
    public void Forward_OnTheHostsIpv6Address_LeadsToTheGuest()
    {
        PortForward tcp = new(TransportProtocol.Tcp, IPAddress.IPv6Loopback, 0, 22);
        PortForward udp = new(TransportProtocol.Udp, IPAddress.IPv6Loopback, 0, 5353);
        using NatBench bench = new(new UserNetworkOptions { Forwards = [tcp, udp], Egress = EgressPolicy.DenyAll });
        bench.Introduce();
        using Socket caller = HostServer.Limit(new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp));
        using Socket writer = UdpSocket();

        caller.Connect(bench.Network.ListenEndPoint(tcp)!);
        byte[] syn = OpenIpv4(bench.Take().Bytes, TcpProtocol, Gateway, Guest);
        writer.SendTo([9, 8, 7], bench.Network.ListenEndPoint(udp)!);
        byte[] datagram = OpenIpv4(bench.Take().Bytes, UdpProtocol, Gateway, Guest);
        bench.Send(Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 5353, PortOf(writer), [6, 5])));
        byte[] heard = new byte[10];
        int count = writer.Receive(heard);

        Assert.Equal((PortOf(caller), 22), (Read16(syn, 0), Read16(syn, 2)));
        Assert.Equal(UdpDatagram(Gateway, Guest, PortOf(writer), 5353, [9, 8, 7]), datagram);
        Assert.Equal([6, 5], heard[..count]);
    }

    private static Socket UdpSocket()
    {
        Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
        socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        return socket;
    }

    private static ushort PortOf(Socket socket) => (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;
}
