using System.Net;
using System.Net.Sockets;
using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>A guest that sends whatever may break the network: it never does, and every table keeps its bound.</summary>
public sealed class HostileGuestTests : IDisposable
{
    private const int Frames = 100_000;
    private readonly HostServer _tcp = new();
    private readonly Socket _udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly UserNetworkOptions _options;
    private readonly NatBench _bench;

    public HostileGuestTests()
    {
        _udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Ipv4Network gateway = new(Ipv4Address.Parse("10.0.2.2"), 32);
        int udpPort = ((IPEndPoint)_udp.LocalEndPoint!).Port;
        _options = new UserNetworkOptions
        {
            MaxConnections = 16,
            MaxUdpFlows = 16,
            MaxBufferedBytes = 1 << 20,
            Egress = new EgressPolicy(
                [new EgressRule(true, gateway, _tcp.Port, _tcp.Port), new EgressRule(true, gateway, udpPort, udpPort)], AllowOthers: false),
        };
        _bench = new NatBench(_options);
        _bench.Introduce();
    }

    public void Dispose()
    {
        _bench.Dispose();
        _tcp.Dispose();
        _udp.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20_26)]
    public void Frames_OneHundredThousandDamagedOnes_LeaveTheNetworkWorkingAndItsTablesBounded(int seed)
    {
        Random random = new(seed);
        byte[][] templates = Templates();

        for (int i = 0; i < Frames; i++)
        {
            byte[] frame = random.Next(16) == 0 ? Noise(random) : Damage(random, templates[random.Next(templates.Length)]);
            FrameOffload offload = new() { NeedsChecksum = random.Next(4) != 0 }; // mostly trusted, to come deeper
            _bench.Network.Send(frame, offload);
            DropReplies();
            if (i % 1000 == 0)
            {
                _bench.Clock.Advance(random.NextInt64(1_000_000_000));
                AssertBounds();
            }
        }

        AssertBounds();
        AssertPingIsAnswered();
    }

    [Fact]
    public void Frames_EveryLengthOfEveryKind_AreSafe()
    {
        foreach (byte[] template in Templates())
        {
            for (int length = 0; length <= template.Length; length++)
            {
                _bench.Send(template[..length]);
            }
        }

        DropReplies();
        AssertPingIsAnswered();
    }

    [Fact]
    public void Arp_FromMoreStationsThanRemembered_ForgetsTheOldest()
    {
        using NatBench bench = new(new UserNetworkOptions { Network = new(Ipv4Address.Parse("10.0.0.0"), 8) });

        for (uint i = 0; i < 5000; i++)
        {
            byte[] address = [10, 1, (byte)(i >> 8), (byte)i];
            bench.Send(
                Ethernet(Everybody, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, .. GuestMac, .. address, 0, 0, 0, 0, 0, 0, 10, 0, 0, 99]));
        }

        Assert.Equal(256, bench.Network.TableSizes.Neighbours);
    }

    [Fact]
    public void Errors_ForAFloodOfRefusedPackets_AreLimited()
    {
        byte[] outside = Address6("2001:db8::1");
        byte[] refused = Packet(Guest6, outside, UdpProtocol, UdpDatagram(Guest6, outside, 4000, 80, [1]));
        _bench.IntroduceIpv6();

        for (int i = 0; i < 5000; i++)
        {
            _bench.Send(refused);
        }

        Assert.Equal(1000, _bench.Card.Count);
        DropReplies();
        _bench.Clock.Advance(20_000_000);
        for (int i = 0; i < 5000; i++)
        {
            _bench.Send(refused);
        }

        Assert.Equal(20, _bench.Card.Count);
    }

    [Fact]
    public void Solicitations_FromMoreStationsThanRemembered_ForgetTheOldest()
    {
        for (uint i = 0; i < 5000; i++)
        {
            byte[] address = [.. Guest6[..12], .. Big32(i + 16)];
            _bench.Send(OnLink(address, Gateway6, 135, [0, 0, 0, 0, .. Gateway6, 1, 1, .. GuestMac]));
        }

        DropReplies();
        Assert.Equal(256, _bench.Network.TableSizes.Neighbours);
    }

    [Fact]
    public void Fragments_OfIpv6AndMoreThanTheBoundOfPackets_AreForgotten()
    {
        for (uint id = 0; id < 500; id++)
        {
            _bench.Send(Packet(Guest6, Gateway6, 44, [UdpProtocol, 0, 0, 1, .. Big32(id), .. new byte[8]]));
        }

        Assert.Equal(16, _bench.Network.TableSizes.Fragments);
    }

    [Fact]
    public void Fragments_OfIpv6Overlapping_AreDiscarded()
    {
        byte[] datagram = UdpDatagram(Guest6, Gateway6, 4000, (ushort)((IPEndPoint)_udp.LocalEndPoint!).Port, new byte[40]);
        foreach ((int at, int length, int more) in (ReadOnlySpan<(int, int, int)>)[(0, 24, 1), (16, 16, 1), (32, 16, 0)])
        {
            _bench.Send(
                Packet(Guest6, Gateway6, 44, [UdpProtocol, 0, .. Big16((ushort)(at | more)), 0, 0, 0, 3, .. datagram[at..(at + length)]]));
        }

        Assert.Equal(0, _bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Fragments_OfMoreThanTheBoundOfPackets_AreForgotten()
    {
        for (ushort id = 0; id < 500; id++)
        {
            _bench.Send(Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, new byte[8], id, 0x2000)));
        }

        Assert.Equal(16, _bench.Network.TableSizes.Fragments);
        _bench.Clock.Advance(60_000_000_000);
        _bench.Send(Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, new byte[8], 9999, 0x2000)));
        Assert.Equal(1, _bench.Network.TableSizes.Fragments);
    }

    [Fact]
    public void Fragments_Overlapping_AreDiscarded()
    {
        byte[] datagram = UdpDatagram(Guest, Gateway, 4000, (ushort)((IPEndPoint)_udp.LocalEndPoint!).Port, new byte[40]);
        foreach ((int at, int length, bool more) in (ReadOnlySpan<(int, int, bool)>)[(0, 24, true), (16, 16, true), (32, 16, false)])
        {
            int field = (at / 8) | (more ? 0x2000 : 0);
            _bench.Send(Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, datagram[at..(at + length)], 3, field)));
        }

        Assert.Equal(0, _bench.Network.UdpFlowCount);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.251")]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.2.77")]
    [InlineData("10.0.2.255")]
    public void Udp_ToAPlaceThatIsNone_OpensNoSocket(string destination)
    {
        using NatBench bench = new();
        byte[] address = IPAddress.Parse(destination).GetAddressBytes();

        bench.Send(Packet(Guest, address, UdpProtocol, UdpDatagram(Guest, address, 4000, 4000, [1])));

        Assert.Equal(0, bench.Network.UdpFlowCount);
    }

    [Fact]
    public void Packet_FromAForeignSource_IsDropped()
    {
        byte[] foreign = [192, 168, 7, 7];
        byte[] message = [8, 0, 0xF7, 0xFF, 0, 0, 0, 0];

        _bench.Send(Packet(foreign, Gateway, IcmpProtocol, message));

        _bench.AssertSilent();
    }

    private byte[][] Templates()
    {
        ushort udpPort = (ushort)((IPEndPoint)_udp.LocalEndPoint!).Port;
        byte[] dhcp = new byte[300];
        byte[] start = [1, 1, 6, 0, 1, 2, 3, 4];
        start.CopyTo(dhcp, 0);
        GuestMac.CopyTo(dhcp, 28);
        byte[] options = [0x63, 0x82, 0x53, 0x63, 53, 1, 1, 50, 4, 10, 0, 2, 15, 12, 3, 1, 2, 3, 255];
        options.CopyTo(dhcp, 236);
        byte[] all = [255, 255, 255, 255];
        return
        [
            Ethernet(Everybody, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, .. GuestMac, .. Guest, 0, 0, 0, 0, 0, 0, .. Gateway]),
            Packet(Guest, Gateway, IcmpProtocol, [8, 0, 0xF7, 0xFF, 0, 0, 0, 0, 1, 2, 3, 4]),
            Packet(Guest, all, UdpProtocol, UdpDatagram(Guest, all, 68, 67, dhcp)),
            Packet(Guest, Gateway, UdpProtocol, UdpDatagram(Guest, Gateway, 4000, udpPort, [1, 2, 3])),
            Packet(Guest, GuestFrames.Dns, UdpProtocol, UdpDatagram(Guest, GuestFrames.Dns, 4000, 53, [1, 2, 3])),
            Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, UdpProtocol, new byte[64], 7, 0x2000)),
            Packet(Guest, Gateway, TcpProtocol, Tcp(0x02, [2, 4, 5, 0xB4, 1, 3, 3, 7])),
            Packet(Guest, Gateway, TcpProtocol, Tcp(0x10, [])),
            Packet(Guest, Gateway, TcpProtocol, Tcp(0x18, [], new byte[700])),
            Packet(Guest, Gateway, TcpProtocol, Tcp(0x11, [])),
            Packet(Guest, Gateway, TcpProtocol, Tcp(0x04, [])),
            .. Ipv6Templates(udpPort),
        ];
    }

    private IEnumerable<byte[]> Ipv6Templates(ushort udpPort) =>
    [
        OnLink(GuestLocal, AllRouters, 133, [0, 0, 0, 0, 1, 1, .. GuestMac]),
        OnLink(Guest6, Gateway6, 135, [0, 0, 0, 0, .. Gateway6, 1, 1, .. GuestMac]),
        OnLink(Guest6, RouterLocal, 136, [0x60, 0, 0, 0, .. Guest6, 2, 1, .. GuestMac]),
        Packet(Guest6, Gateway6, Icmp6Protocol, Icmp6(Guest6, Gateway6, 128, 0, [0, 0, 0, 0, 1, 2, 3, 4])),
        Packet(
            Guest6, Gateway6, 0,
            [60, 0, 1, 4, 0, 0, 0, 0, UdpProtocol, 0, 1, 4, 0, 0, 0, 0, .. UdpDatagram(Guest6, Gateway6, 4000, udpPort, [1, 2, 3])]),
        Packet(Guest6, Dns6, UdpProtocol, UdpDatagram(Guest6, Dns6, 4000, 53, [1, 2, 3])),
        Packet(Guest6, Gateway6, 44, [UdpProtocol, 0, 0, 1, 0, 0, 0, 7, .. new byte[64]]),
        Packet(Guest6, Gateway6, TcpProtocol, Tcp(0x02, [2, 4, 5, 0xA0, 1, 3, 3, 7])),
        Packet(Guest6, Gateway6, TcpProtocol, Tcp(0x18, [], new byte[700])),
        Packet(Guest6, Gateway6, TcpProtocol, Tcp(0x04, [])),
    ];

    private byte[] Tcp(byte flags, byte[] options, byte[]? data = null) =>
    [
        .. Big16(40000), .. Big16(_tcp.Port), 0, 0, 0, 100, 0, 0, 0, 0,
        (byte)((20 + options.Length) / 4 << 4), flags, 0xFF, 0xFF, 0, 0, 0, 0, .. options, .. data ?? [],
    ];

    private static byte[] Noise(Random random)
    {
        byte[] frame = new byte[random.Next(200)];
        random.NextBytes(frame);
        return frame;
    }

    /// <summary>
    /// A few bytes changed, sometimes cut or grown; the checksums of IPv4 and ICMPv6 are right again in most, so that the damage gets
    /// further.
    /// </summary>
    private static byte[] Damage(Random random, byte[] template)
    {
        byte[] frame = [.. template];
        for (int i = random.Next(4); i > 0; i--)
        {
            int at = random.Next(EthernetSize, frame.Length);
            frame[at] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)(frame[at] + random.Next(-2, 3));
        }

        if (random.Next(8) == 0)
        {
            Array.Resize(ref frame, random.Next(frame.Length + 100));
        }

        if (random.Next(8) != 0 && frame.Length >= EthernetSize + Ipv4Size && Read16(frame, 12) == 0x0800)
        {
            int header = Math.Clamp((frame[EthernetSize] & 0xF) * 4, Ipv4Size, frame.Length - EthernetSize);
            frame[EthernetSize + 10] = frame[EthernetSize + 11] = 0;
            Big16(Checksum(frame.AsSpan(EthernetSize, header))).CopyTo(frame, EthernetSize + 10);
        }

        const int message = EthernetSize + Ipv6Size;
        if (random.Next(8) != 0 && frame.Length >= message + 4 && Read16(frame, 12) == 0x86DD && frame[EthernetSize + 6] == Icmp6Protocol)
        {
            frame[message + 2] = frame[message + 3] = 0;
            byte[] checksum = Big16(
                TransportChecksum(frame[(message - 32)..(message - 16)], frame[(message - 16)..message], Icmp6Protocol, frame[message..]));
            checksum.CopyTo(frame, message + 2);
        }

        return frame;
    }

    private void DropReplies()
    {
        while (_bench.Card.TryTake() is not null)
        {
        }
    }

    private void AssertBounds()
    {
        Assert.InRange(_bench.Network.ConnectionCount, 0, _options.MaxConnections);
        Assert.InRange(_bench.Network.UdpFlowCount, 0, _options.MaxUdpFlows);
        Assert.InRange(_bench.Network.BufferedBytes, 0, _options.MaxBufferedBytes);
        Assert.InRange(_bench.Network.TableSizes.Leases, 0, 240);
        Assert.InRange(_bench.Network.TableSizes.Neighbours, 0, 256);
        Assert.InRange(_bench.Network.TableSizes.Fragments, 0, 16);
        Assert.InRange(_bench.Network.TableSizes.Pings, 0, 64);
    }

    private void AssertPingIsAnswered()
    {
        byte[] message = [8, 0, 0, 0, 0x55, 0xAA, 0, 1];
        Big16(Checksum(message)).CopyTo(message, 2);
        _bench.Introduce();
        DropReplies();

        _bench.Send(Packet(Guest, Gateway, IcmpProtocol, message));

        RecordedFrame? frame;
        do
        {
            frame = _bench.Card.TryTake();
        }
        while (frame is not null
            && (frame.Bytes[EthernetSize + 9] != IcmpProtocol || Read16(frame.Bytes, EthernetSize + Ipv4Size + 4) != 0x55AA));

        Assert.NotNull(frame);
    }
}
