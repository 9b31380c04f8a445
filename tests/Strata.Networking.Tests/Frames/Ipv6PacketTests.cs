using Strata.Networking.Frames;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Frames;

/// <summary>RFC 8200: headers, extensions, fragments.</summary>
public sealed class Ipv6PacketTests
{
    private const byte HopByHop = 0;
    private const byte Routing = 43;
    private const byte FragmentHeader = 44;
    private const byte Options = 60;
    private static readonly byte[] Data = [1, 2, 3, 4, 5];
    private static readonly byte[] Pad = [1, 4, 0, 0, 0, 0]; // PadN

    [Fact]
    public void TryParse_PlainPacket_HasItsFieldsAndLeavesThePaddingOut()
    {
        byte[] bytes = [.. Ipv6(Guest6, Gateway6, UdpProtocol, Data, hopLimit: 7), 0, 0, 0];

        Assert.True(Ipv6Packet.TryParse(bytes, out Ipv6Packet packet));

        Assert.Equal((UdpProtocol, 7), (packet.Protocol, packet.HopLimit));
        Assert.Equal("fd53:7472:6174:0:5054:ff:fe12:3456", packet.Source.ToString());
        Assert.Equal("fd53:7472:6174::2", packet.Destination.ToString());
        Assert.Equal(Data, packet.Payload);
        Assert.Equal(45, packet.Bytes.Length);
        Assert.Null(packet.Fragment);
    }

    [Fact]
    public void TryParse_ExtensionHeaders_AreSteppedOver()
    {
        byte[] payload = [Options, 0, .. Pad, Routing, 1, 0x1E, 2, 9, 9, 1, 0, .. Pad, 0, 0, UdpProtocol, 0, 99, 0, 0, 0, 0, 0, .. Data];

        Assert.True(Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, HopByHop, payload), out Ipv6Packet packet));

        Assert.Equal(UdpProtocol, packet.Protocol);
        Assert.Equal(Data, packet.Payload);
    }

    [Theory]
    [InlineData(Options, new byte[] { UdpProtocol, 1, 1, 4, 0, 0, 0, 0 })]                 // longer than the packet
    [InlineData(Options, new byte[] { UdpProtocol, 0, 1, 5, 0, 0, 0, 0 })]                 // an option longer than the header
    [InlineData(Options, new byte[] { UdpProtocol, 0, 1, 3, 0, 0, 0, 5 })]                 // an option without a length
    [InlineData(Options, new byte[] { UdpProtocol, 0, 0x45, 4, 0, 0, 0, 0 })]              // an unknown option that asks for a discard
    [InlineData(Options, new byte[] { UdpProtocol, 0, 0xC2, 4, 0, 1, 0, 0 })]              // a jumbogram
    [InlineData(Options, new byte[] { HopByHop, 0, 1, 4, 0, 0, 0, 0, UdpProtocol, 0, 1, 4, 0, 0, 0, 0 })] // hop by hop, but not at once
    [InlineData(Routing, new byte[] { UdpProtocol, 0, 0, 1, 0, 0, 0, 0 })]                 // a segment left
    [InlineData(Options, new byte[] { UdpProtocol, 0, 1 })]
    [InlineData(FragmentHeader, new byte[] { UdpProtocol, 0, 0, 1, 0, 0 })]
    [InlineData(FragmentHeader, new byte[] { FragmentHeader, 0, 0, 0, 0, 0, 0, 1, UdpProtocol, 0, 0, 0, 0, 0, 0, 1 })] // twice
    public void TryParse_BadExtension_IsRefused(byte protocol, byte[] payload) =>
        Assert.False(Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, protocol, payload), out _));

    [Theory]
    [InlineData(8, true)]
    [InlineData(9, false)]
    public void TryParse_ManyExtensions_AreBounded(int count, bool isGood)
    {
        byte[] payload = [.. Enumerable.Range(1, count).SelectMany(i => (byte[])[i == count ? UdpProtocol : Options, 0, .. Pad])];

        Assert.Equal(isGood, Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, Options, payload), out _));
    }

    [Fact]
    public void TryParse_Fragment_TellsItsPlace()
    {
        byte[] payload = [UdpProtocol, 0, .. Big16(1480 | 1), .. Big32(0xDEADBEEF), .. Data];

        Assert.True(Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, FragmentHeader, payload), out Ipv6Packet packet));

        Assert.Equal(new Ipv6Fragment(0xDEADBEEF, 1480, true), packet.Fragment);
        Assert.True(packet.IsPartial);
        Assert.Equal(Data, packet.Payload);
    }

    [Fact]
    public void TryParse_FragmentThatIsAll_IsAWholePacket()
    {
        byte[] payload = [Options, 0, 0, 0, 0, 0, 0, 9, UdpProtocol, 0, .. Pad, .. Data];

        Assert.True(Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, FragmentHeader, payload), out Ipv6Packet packet));

        Assert.False(packet.IsPartial);
        Assert.Equal(UdpProtocol, packet.Protocol);
        Assert.Equal(Data, packet.Payload);
    }

    [Theory]
    [InlineData("::ffff:10.0.2.15", "fe80::2")]
    [InlineData("fe80::1", "::ffff:10.0.2.2")]
    [InlineData("ff02::1", "fe80::2")]
    public void TryParse_AddressesThatMayNotBeOnAWire_AreRefused(string source, string destination) =>
        Assert.False(Ipv6Packet.TryParse(Ipv6(Address6(source), Address6(destination), UdpProtocol, Data), out _));

    [Fact]
    public void TryParse_EveryTruncation_IsRefused()
    {
        byte[] bytes = Ipv6(Guest6, Gateway6, FragmentHeader, [Options, 0, 0, 0, 0, 0, 0, 9, UdpProtocol, 0, .. Pad, .. Data]);

        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.False(Ipv6Packet.TryParse(bytes.AsSpan(0, length), out _));
        }
    }

    [Fact]
    public void TryParse_Noise_NeverThrows()
    {
        Random random = new(6);
        byte[] extensions = [HopByHop, Routing, FragmentHeader, Options, Icmp6Protocol];
        for (int i = 0; i < 100_000; i++)
        {
            byte[] payload = new byte[random.Next(80)];
            random.NextBytes(payload);
            for (int at = 0; at + 2 < payload.Length; at += 8)
            {
                payload[at] = extensions[random.Next(extensions.Length)];
                payload[at + 1] = (byte)random.Next(3);
            }

            if (Ipv6Packet.TryParse(Ipv6(Guest6, Gateway6, extensions[random.Next(extensions.Length)], payload), out Ipv6Packet packet))
            {
                NeighbourMessage.TryParse(packet, packet.Payload, out _);
            }
        }
    }

    [Fact]
    public void WriteHeader_AndFragment_AreReadTheSame()
    {
        byte[] bytes = new byte[53];
        InternetAddress from = InternetAddress.Parse("2001:db8::1");
        InternetAddress to = InternetAddress.Parse("2001:db8::2");
        Ipv6Packet.WriteHeader(bytes, from, to, FragmentHeader, 13);
        Ipv6Packet.WriteFragmentHeader(bytes.AsSpan(40), UdpProtocol, new Ipv6Fragment(77, 64, true));

        Assert.True(Ipv6Packet.TryParse(bytes, out Ipv6Packet packet));

        Assert.Equal((from, to, UdpProtocol, 64), (packet.Source, packet.Destination, packet.Protocol, packet.HopLimit));
        Assert.Equal(new Ipv6Fragment(77, 64, true), packet.Fragment);
    }

    [Fact]
    public void UdpDatagram_WithoutChecksum_IsGoodOnIpv4Only()
    {
        byte[] datagram = [.. Big16(1), .. Big16(2), .. Big16(9), 0, 0, 42];

        Assert.True(Strata.Networking.Frames.UdpDatagram.TryParse(
            Ipv4Address.Read(Guest), Ipv4Address.Read(Gateway), datagram, trusted: false, out _));
        Assert.False(Strata.Networking.Frames.UdpDatagram.TryParse(
            InternetAddress.Read(Guest6), InternetAddress.Read(Gateway6), datagram, trusted: false, out _));
    }
}
