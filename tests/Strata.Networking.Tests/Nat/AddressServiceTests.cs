using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>ARP (RFC 826), DHCP (RFC 2131) and ICMP echo (RFC 792), frame by frame.</summary>
public sealed class AddressServiceTests : IDisposable
{
    private const byte Offer = 2;
    private const byte Ack = 5;
    private const byte Nak = 6;
    private static readonly byte[] Nobody = [0, 0, 0, 0];
    private static readonly byte[] AllHosts = [255, 255, 255, 255];

    private readonly NatBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Arp_RequestForTheNetworksOwnAddress_IsAnsweredToTheAsker(byte host)
    {
        byte[] target = [10, 0, 2, host];

        _bench.Send(ArpRequest(target));

        byte[] expected = Ethernet(GuestMac, GatewayMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 2, .. GatewayMac, .. target, .. GuestMac, .. Guest]);
        Assert.Equal(expected, _bench.Take().Bytes);
    }

    [Fact]
    public void Arp_RequestForAnotherAddress_IsLeftToItsOwner()
    {
        _bench.Send(ArpRequest([10, 0, 2, 77]));

        _bench.AssertSilent();
    }

    [Theory]
    [InlineData(56)]
    [InlineData(1472)]
    [InlineData(0)]
    [InlineData(7)]
    public void Ping_Gateway_IsEchoedWithTheSameIdentifierAndData(int size)
    {
        byte[] rest = [0x12, 0x34, 0, 1, .. Enumerable.Range(0, size).Select(i => (byte)i)];

        _bench.Send(Packet(Guest, Gateway, IcmpProtocol, IcmpMessage(8, rest)));

        byte[] reply = OpenIpv4(_bench.Take().Bytes, IcmpProtocol, Gateway, Guest);
        Assert.Equal(IcmpMessage(0, rest), reply);
    }

    [Fact]
    public void Ping_WrongChecksum_IsIgnored()
    {
        byte[] message = IcmpMessage(8, [0, 1, 0, 1]);
        message[3] ^= 1;

        _bench.Send(Packet(Guest, Gateway, IcmpProtocol, message));

        _bench.AssertSilent();
    }

    [Fact]
    public void Ping_LargerThanTheMtu_ComesBackInFragmentsThatFitTogether()
    {
        byte[] message = IcmpMessage(8, [0, 9, 0, 1, .. Enumerable.Range(0, 3000).Select(i => (byte)(i * 7))]);

        for (int at = 0; at < message.Length; at += 1480)
        {
            byte[] piece = message[at..Math.Min(message.Length, at + 1480)];
            int field = (at / 8) | (at + 1480 < message.Length ? 0x2000 : 0);
            _bench.Send(Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(Guest, Gateway, IcmpProtocol, piece, identification: 77, field)));
        }

        List<byte> whole = [];
        for (int i = 0; i < 3; i++)
        {
            byte[] frame = _bench.Take().Bytes;
            byte[] piece = OpenIpv4(frame, IcmpProtocol, Gateway, Guest);
            Assert.Equal((whole.Count / 8) | (i < 2 ? 0x2000 : 0), Read16(frame, EthernetSize + 6));
            whole.AddRange(piece);
        }

        Assert.Equal(IcmpMessage(0, message[4..]), whole.ToArray());
    }

    [Fact]
    public void Dhcp_DiscoverAndRequest_GiveTheFirstAddressWithRouterAndNameServer()
    {
        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));
        byte[] offer = OpenDhcp(GuestMac, Guest);
        Assert.Equal(Guest, offer[16..20]);
        Assert.Equal([Offer], Option(offer, 53));

        _bench.Send(Dhcp(GuestMac, [53, 1, 3, 50, 4, .. Guest, 54, 4, .. Gateway]));
        byte[] ack = OpenDhcp(GuestMac, Guest);

        Assert.Equal([Ack], Option(ack, 53));
        Assert.Equal(Guest, ack[16..20]);
        Assert.Equal([0xDE, 0xAD, 0xBE, 0xEF], ack[4..8]);
        Assert.Equal(GuestMac, ack[28..34]);
        Assert.Equal([255, 255, 255, 0], Option(ack, 1));
        Assert.Equal(Gateway, Option(ack, 3));
        Assert.Equal(Dns, Option(ack, 6));
        Assert.Equal(Gateway, Option(ack, 54));
        Assert.Equal(Big32(86400), Option(ack, 51));
        Assert.Equal(Big16(1500), Option(ack, 26));
    }

    [Fact]
    public void Dhcp_SecondStation_GetsTheNextAddressAndTheFirstKeepsItsOwn()
    {
        byte[] other = [2, 0, 0, 0, 0, 9];

        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));
        _bench.Send(Dhcp(other, [53, 1, 1]));
        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));

        Assert.Equal(Guest, OpenDhcp(GuestMac, Guest)[16..20]);
        Assert.Equal([10, 0, 2, 16], OpenDhcp(other, [10, 0, 2, 16])[16..20]);
        Assert.Equal(Guest, OpenDhcp(GuestMac, Guest)[16..20]);
    }

    [Fact]
    public void Dhcp_RequestForAForeignAddress_IsRefusedByBroadcast()
    {
        _bench.Send(Dhcp(GuestMac, [53, 1, 3, 50, 4, 192, 168, 1, 5]));

        byte[] nak = OpenDhcp(Everybody, AllHosts);

        Assert.Equal([Nak], Option(nak, 53));
        Assert.Equal(Nobody, nak[16..20]);
    }

    [Theory]
    [InlineData(1)] // DISCOVER
    [InlineData(3)] // REQUEST, as a station sends that comes back
    public void Dhcp_AddressFromEarlier_IsGivenAgain(byte message)
    {
        byte[] earlier = [10, 0, 2, 77];

        _bench.Send(Dhcp(GuestMac, [53, 1, message, 50, 4, .. earlier]));

        Assert.Equal(earlier, OpenDhcp(GuestMac, earlier)[16..20]);
    }

    [Fact]
    public void Dhcp_AddressFromEarlierThatAnotherHas_IsNotGivenAgain()
    {
        byte[] other = [2, 0, 0, 0, 0, 9];
        _bench.Send(Dhcp(other, [53, 1, 1]));
        OpenDhcp(other, Guest);

        _bench.Send(Dhcp(GuestMac, [53, 1, 1, 50, 4, .. Guest]));

        Assert.Equal([10, 0, 2, 16], OpenDhcp(GuestMac, [10, 0, 2, 16])[16..20]);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(14)]
    [InlineData(255)]
    public void Dhcp_WishForAnAddressThatIsNoGuests_GetsAnother(byte host)
    {
        _bench.Send(Dhcp(GuestMac, [53, 1, 1, 50, 4, 10, 0, 2, host]));

        Assert.Equal(Guest, OpenDhcp(GuestMac, Guest)[16..20]);
    }

    [Fact]
    public void AddStation_WithItsAddress_KeepsItFromOthers()
    {
        byte[] other = [2, 0, 0, 0, 0, 9];
        _bench.Network.AddStation(MacAddress.Read(GuestMac), "web", Ipv4Address.Read(Guest));

        _bench.Send(Dhcp(other, [53, 1, 1]));
        _bench.Send(Dhcp(GuestMac, [53, 1, 1]));

        Assert.Equal([10, 0, 2, 16], OpenDhcp(other, [10, 0, 2, 16])[16..20]);
        Assert.Equal(Guest, OpenDhcp(GuestMac, Guest)[16..20]);
    }

    [Fact]
    public void Dhcp_RequestForAnotherServer_IsLeftToIt()
    {
        _bench.Send(Dhcp(GuestMac, [53, 1, 3, 50, 4, .. Guest, 54, 4, 10, 0, 2, 99]));

        _bench.AssertSilent();
    }

    [Fact]
    public void Dhcp_MoreStationsThanAddresses_ReusesTheOldestLease()
    {
        for (int i = 0; i < 300; i++)
        {
            _bench.Send(Dhcp([2, 0, 0, 0, (byte)(i >> 8), (byte)i], [53, 1, 1]));
        }

        Assert.Equal(300, _bench.Card.Count);
        Assert.Equal(240, _bench.Network.TableSizes.Leases); // .15 to .254
    }

    [Fact]
    public void Dhcp_OptionLongerThanTheMessage_IsIgnored()
    {
        _bench.Send(Dhcp(GuestMac, [12, 200, 53, 1, 1]));

        _bench.AssertSilent();
    }

    private static byte[] ArpRequest(byte[] target) =>
        Ethernet(Everybody, GuestMac, 0x0806, [0, 1, 8, 0, 6, 4, 0, 1, .. GuestMac, .. Guest, 0, 0, 0, 0, 0, 0, .. target]);

    private static byte[] IcmpMessage(byte type, byte[] rest)
    {
        byte[] message = [type, 0, 0, 0, .. rest];
        Big16(Checksum(message)).CopyTo(message, 2);
        return message;
    }

    /// <returns>The BOOTP message of the next frame, after checks of what is around it.</returns>
    private byte[] OpenDhcp(byte[] station, byte[] destination)
    {
        byte[] datagram = OpenIpv4(_bench.Take().Bytes, UdpProtocol, Gateway, destination, station);
        Assert.Equal(67, Read16(datagram, 0));
        Assert.Equal(68, Read16(datagram, 2));
        Assert.Equal(datagram.Length, Read16(datagram, 4));
        Assert.Equal(0, TransportChecksum(Gateway, destination, UdpProtocol, datagram));
        Assert.Equal(2, datagram[8]);
        return datagram[8..];
    }

    private static byte[] Option(byte[] message, byte wanted)
    {
        for (int at = 240; message[at] != 255; at += 2 + message[at + 1])
        {
            if (message[at] == wanted)
            {
                return message[(at + 2)..(at + 2 + message[at + 1])];
            }
        }

        return [];
    }
}
