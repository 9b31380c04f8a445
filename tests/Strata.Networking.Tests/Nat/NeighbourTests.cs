using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Nat;

/// <summary>How a guest finds its router and its addresses: RFC 4861, RFC 4862, RFC 8106, frame by frame.</summary>
public sealed class NeighbourTests : IDisposable
{
    private const byte EchoRequest = 128;
    private const byte EchoReply = 129;
    private const byte RouterSolicitation = 133;
    private const byte RouterAdvertisement = 134;
    private const byte Solicitation = 135;
    private const byte Advertisement = 136;
    private const long Second = 1_000_000_000;
    private static readonly byte[] Nobody = new byte[16];
    private static readonly byte[] Zero = new byte[4];
    private static readonly byte[] OwnLink = [1, 1, .. GuestMac];

    private readonly NatBench _bench = new(new UserNetworkOptions { HasIpv6WayOut = true });

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData("fe80::2")]
    [InlineData("fd53:7472:6174::2")]
    [InlineData("fd53:7472:6174::3")]
    public void Solicitation_OfTheNetworksOwnAddress_IsAnsweredToTheAsker(string own)
    {
        byte[] target = Address6(own);

        _bench.Send(OnLink(Guest6, Group(target), Solicitation, [.. Zero, .. target, .. OwnLink]));

        byte[] message = OpenIpv6(_bench.Take().Bytes, Icmp6Protocol, RouterLocal, Guest6, hopLimit: 255);
        Assert.Equal([Advertisement, 0, .. message[2..4], 0xE0, 0, 0, 0, .. target, 2, 1, .. GatewayMac], message);
    }

    [Fact]
    public void Solicitation_ByAStationThatClaimsTheRoutersAddress_IsAnsweredToEverybodysAddress()
    {
        _bench.Send(OnLink(Nobody, Group(Gateway6), Solicitation, [.. Zero, .. Gateway6]));

        byte[] message = OpenIpv6(_bench.Take().Bytes, Icmp6Protocol, RouterLocal, AllNodes, hopLimit: 255);
        Assert.Equal([Advertisement, 0, .. message[2..4], 0xA0, 0, 0, 0, .. Gateway6, 2, 1, .. GatewayMac], message);
    }

    [Fact]
    public void Solicitation_OfAnotherAddress_IsLeftToItsOwner()
    {
        _bench.Send(OnLink(Nobody, Group(Guest6), Solicitation, [.. Zero, .. Guest6]));
        _bench.Send(OnLink(Guest6, Group(Address6("fd53:7472:6174::77")), Solicitation, [.. Zero, .. Address6("fd53:7472:6174::77")]));

        _bench.AssertSilent();
    }

    [Fact]
    public void Solicitation_FromBeyondTheLink_IsNotBelieved()
    {
        _bench.Send(OnLink(Guest6, Group(Gateway6), Solicitation, [.. Zero, .. Gateway6, .. OwnLink], hopLimit: 254));
        _bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero, hopLimit: 64));

        _bench.AssertSilent();
    }

    [Fact]
    public void Solicitation_WrongChecksum_IsDropped()
    {
        byte[] frame = OnLink(Guest6, Group(Gateway6), Solicitation, [.. Zero, .. Gateway6, .. OwnLink]);
        frame[^1] ^= 1;

        _bench.Send(frame);

        _bench.AssertSilent();
    }

    [Fact]
    public void RouterSolicitation_OnAHostWithIpv6_TellsPrefixMtuWayOutAndNameServer()
    {
        _bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, [.. Zero, .. OwnLink]));

        byte[] message = OpenIpv6(_bench.Take().Bytes, Icmp6Protocol, RouterLocal, GuestLocal, hopLimit: 255);
        Assert.Equal(
            [
                RouterAdvertisement, 0, .. message[2..4], 64, 0, .. Big16(1800), .. Zero, .. Zero,
                1, 1, .. GatewayMac,
                5, 1, 0, 0, .. Big32(1500),
                3, 4, 64, 0xC0, .. Big32(86400), .. Big32(14400), .. Zero, .. Address6("fd53:7472:6174::"),
                25, 3, 0, 0, .. Big32(1800), .. Dns6,
            ],
            message);
    }

    [Fact]
    public void RouterSolicitation_OnAHostWithoutIpv6_TellsOfNoWayOut()
    {
        using NatBench bench = new(new UserNetworkOptions { HasIpv6WayOut = false });

        bench.Send(OnLink(Nobody, AllRouters, RouterSolicitation, Zero));

        byte[] message = OpenIpv6(bench.Take().Bytes, Icmp6Protocol, RouterLocal, AllNodes, hopLimit: 255);
        Assert.Equal(64, message.Length); // no name server
        Assert.Equal([0, 0], message[6..8]);
    }

    [Fact]
    public void RouterSolicitation_OnANetworkThatRefusesEverything_TellsOfNoWayOut()
    {
        using NatBench bench = new(new UserNetworkOptions { Egress = EgressPolicy.DenyAll });

        bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));

        Assert.Equal([0, 0], OpenIpv6(bench.Take().Bytes, Icmp6Protocol, RouterLocal, GuestLocal, hopLimit: 255)[6..8]);
    }

    [Fact]
    public void Advertisements_OnceAGuestSpeaksIpv6_ComeFromTimeToTimeToAllOfThem()
    {
        _bench.Clock.Advance(1000 * Second);
        _bench.AssertSilent();
        _bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));
        _bench.Take();

        _bench.Clock.Advance(301 * Second);

        byte[] frame = _bench.Take().Bytes;
        Assert.Equal(
            RouterAdvertisement,
            OpenIpv6(frame, Icmp6Protocol, RouterLocal, AllNodes, hopLimit: 255, station: [0x33, 0x33, 0, 0, 0, 1])[0]);
    }

    [Theory]
    [InlineData("fd53:7472:6174::2")]
    [InlineData("fd53:7472:6174::3")]
    [InlineData("fe80::2")]
    public void Ping_OfTheNetworksOwnAddress_IsEchoed(string own)
    {
        byte[] source = own.StartsWith("fe80", StringComparison.Ordinal) ? GuestLocal : Guest6;
        byte[] rest = [0x12, 0x34, 0, 1, .. "some data"u8];

        _bench.Send(Packet(source, Address6(own), Icmp6Protocol, Icmp6(source, Address6(own), EchoRequest, 0, rest)));

        byte[] message = OpenIpv6(_bench.Take().Bytes, Icmp6Protocol, Address6(own), source);
        Assert.Equal([EchoReply, 0, .. message[2..4], .. rest], message);
    }

    [Fact]
    public void Ping_OfAllNodes_IsAnsweredByTheRoutersOwnAddress()
    {
        _bench.Send(OnLink(GuestLocal, AllNodes, EchoRequest, [0, 1, 0, 1], hopLimit: 1));

        Assert.Equal(EchoReply, OpenIpv6(_bench.Take().Bytes, Icmp6Protocol, RouterLocal, GuestLocal)[0]);
    }

    [Fact]
    public void Ping_LargerThanTheMtu_GoesAndComesInFragments()
    {
        byte[] message = Icmp6(Guest6, Gateway6, EchoRequest, 0, [.. Enumerable.Range(0, 4000).Select(i => (byte)(i * 7))]);
        foreach (int at in (ReadOnlySpan<int>)[1448, 0, 2896]) // out of order
        {
            int end = Math.Min(message.Length, at + 1448);
            byte[] fragment = [
                Icmp6Protocol, 0, .. Big16((ushort)(at | (end < message.Length ? 1 : 0))), .. Big32(99), .. message[at..end]];
            _bench.Send(Packet(Guest6, Gateway6, 44, fragment));
        }

        List<byte> whole = [];
        while (whole.Count < message.Length)
        {
            byte[] fragment = OpenIpv6(_bench.Take().Bytes, 44, Gateway6, Guest6);
            Assert.Equal(whole.Count, Read16(fragment, 2) & ~7);
            whole.AddRange(fragment[8..]);
            Assert.Equal(whole.Count < message.Length, (fragment[3] & 1) != 0);
        }

        Assert.Equal(Icmp6(Gateway6, Guest6, EchoReply, 0, message[4..]), whole.ToArray());
        Assert.Equal(0, _bench.Network.TableSizes.Fragments);
    }

    [Theory]
    [InlineData("2001:db8::1")]
    [InlineData("::1")]
    [InlineData("fd53:7472:6174::2")]
    [InlineData("fe80::2")]
    public void Packet_FromASourceThatIsNoGuests_IsDropped(string source)
    {
        byte[] address = Address6(source);

        _bench.Send(Packet(address, Gateway6, Icmp6Protocol, Icmp6(address, Gateway6, EchoRequest, 0, [0, 0, 0, 0])));

        _bench.AssertSilent();
        Assert.Equal(0, _bench.Network.TableSizes.Neighbours);
    }

    [Fact]
    public void Advertisement_ForAnIpv4AddressInDisguise_ChangesNoNeighbour()
    {
        _bench.Introduce();
        byte[] disguised = Address6("::ffff:10.0.2.15");
        byte[] thief = [2, 0, 0, 0, 0, 9];

        _bench.Send(OnLink(GuestLocal, RouterLocal, Advertisement, [0x60, 0, 0, 0, .. disguised, 2, 1, .. thief]));

        _bench.Send(Packet(Guest, Gateway, IcmpProtocol, [8, 0, 0xF7, 0xFF, 0, 0, 0, 0]));
        OpenIpv4(_bench.Take().Bytes, IcmpProtocol, Gateway, Guest, GuestMac);
    }

    [Fact]
    public void Network_OfTheUsersOwn_IsAdvertised()
    {
        using NatBench bench = new(
            new UserNetworkOptions { Ipv6Network = InternetNetwork.Parse("fd00:1:2:3::/64"), HasIpv6WayOut = false });

        bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));

        Assert.Equal(Address6("fd00:1:2:3::"), OpenIpv6(bench.Take().Bytes, Icmp6Protocol, RouterLocal, GuestLocal, hopLimit: 255)[48..64]);
    }

    [Theory]
    [InlineData("fd00::/48")]
    [InlineData("fe80::/64")]
    [InlineData("ff02::/64")]
    [InlineData("10.0.0.0/24")]
    [InlineData("fd00::1/64")]
    public void Network_ThatNoGuestCanHave_IsRefused(string network)
    {
        UserNetworkOptions options = new() { Ipv6Network = InternetNetwork.Parse(network) };

        Assert.ThrowsAny<ArgumentException>(() => new UserNetwork(options, new ManualClock()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Network_WithoutIpv6_IsSilent(bool smallMtu)
    {
        using NatBench bench = new(smallMtu ? new UserNetworkOptions { Mtu = 1279 } : new UserNetworkOptions { Ipv6Network = null });

        bench.Send(OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));
        bench.Send(OnLink(Guest6, Group(Gateway6), Solicitation, [.. Zero, .. Gateway6]));

        bench.AssertSilent();
    }

    private static byte[] Group(byte[] address) => [0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, .. address[13..]];
}
