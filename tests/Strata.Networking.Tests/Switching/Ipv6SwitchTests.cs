using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Switching;
using Strata.Networking.Tests.Harness;
using static Strata.Networking.Tests.Harness.GuestFrames;
using static Strata.Networking.Tests.Switching.SwitchBench;

namespace Strata.Networking.Tests.Switching;

/// <summary>IPv6 behind a switch: whom a router's word reaches, and what filters let stations say.</summary>
public sealed class Ipv6SwitchTests : IDisposable
{
    private const byte RouterSolicitation = 133;
    private const byte RouterAdvertisement = 134;
    private const byte Solicitation = 135;
    private const byte Advertisement = 136;
    private const byte Redirect = 137;
    private const byte ListenerReport = 143;
    private const long Second = 1_000_000_000;
    private static readonly byte[] Nobody = new byte[16];
    private static readonly byte[] Zero = new byte[4];
    private static readonly byte[] Own = Address6("2001:db8::5");
    private static readonly byte[] OwnLocal = Address6("fe80::5");
    private static readonly byte[] Foreign = Address6("2001:db8::6");
    private static readonly SwitchPortOptions Filtered = new()
    {
        AllowedIps = [InternetNetwork.Parse("2001:db8::5"), InternetNetwork.Parse("fe80::5"), InternetNetwork.Parse("10.0.0.5")],
    };

    private readonly SwitchBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Router_OnTheSwitch_AnswersWhoAsksAndTellsItsVlanOnly()
    {
        _bench.Switch.AddUserNetwork(new UserNetworkOptions { HasIpv6WayOut = true });
        (SwitchPort asker, RecordingReceiver asked) = _bench.Plug();
        (_, RecordingReceiver other) = _bench.Plug();
        (_, RecordingReceiver foreign) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(2) });

        Send(asker, OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));
        Assert.Equal((1, 1, 0), (asked.Count, other.Count, foreign.Count)); // the other saw the question
        Assert.Equal(RouterAdvertisement, OpenIpv6(asked.TryTake()!.Bytes, Icmp6Protocol, RouterLocal, GuestLocal, hopLimit: 255)[0]);
        other.TryTake();
        _bench.Clock.Advance(301 * Second);

        Assert.Equal((1, 1, 0), (asked.Count, other.Count, foreign.Count));
        Assert.Equal(RouterAdvertisement, other.TryTake()!.Bytes[EthernetSize + Ipv6Size]);
    }

    [Fact]
    public void Router_AskedFromAnotherVlan_IsSilent()
    {
        _bench.Switch.AddUserNetwork();
        (SwitchPort asker, RecordingReceiver card) = _bench.Plug(new SwitchPortOptions { Vlan = PortVlan.Access(2) });

        Send(asker, OnLink(GuestLocal, AllRouters, RouterSolicitation, Zero));

        Assert.Equal(0, card.Count);
    }

    [Fact]
    public void Filter_OwnAddresses_MayDoWhatAStationDoes()
    {
        AssertPasses(Packet(Own, Foreign, UdpProtocol, new byte[20]));
        AssertPasses(Packet(OwnLocal, AllNodes, Icmp6Protocol, Icmp6(OwnLocal, AllNodes, 128, 0, Zero)));
        AssertPasses(OnLink(Nobody, Group(Own), Solicitation, [.. Zero, .. Own]));
        AssertPasses(OnLink(OwnLocal, Group(Foreign), Solicitation, [.. Zero, .. Foreign, 1, 1, .. GuestMac]));
        AssertPasses(OnLink(OwnLocal, Foreign, Advertisement, [0x60, 0, 0, 0, .. Own, 2, 1, .. GuestMac]));
        AssertPasses(OnLink(Nobody, AllRouters, RouterSolicitation, Zero));
        AssertPasses(Ethernet(GatewayMac, GuestMac, 0x86DD, Ipv6(
            Nobody, Address6("ff02::16"), 0,
            [Icmp6Protocol, 0, 5, 2, 0, 0, 1, 0, .. Icmp6(Nobody, Address6("ff02::16"), ListenerReport, 0, Zero)], 1)));
    }

    [Fact]
    public void Filter_ForeignAddresses_AreDropped()
    {
        AssertDropped(Packet(Foreign, Own, UdpProtocol, new byte[20]));
        AssertDropped(Packet(Address6("fe80::6"), Own, UdpProtocol, new byte[20]));
        AssertDropped(Packet(Nobody, AllNodes, UdpProtocol, new byte[20]));
        AssertDropped(Packet(Address6("::ffff:10.0.0.5"), Own, UdpProtocol, new byte[20]));
        AssertDropped(OnLink(Nobody, Group(Foreign), Solicitation, [.. Zero, .. Foreign])); // to see whether it is free is to claim it
        AssertDropped(OnLink(OwnLocal, AllNodes, Advertisement, [0x20, 0, 0, 0, .. Foreign, 2, 1, .. GuestMac]));
        AssertDropped(OnLink(OwnLocal, AllNodes, Advertisement, [0x20, 0, 0, 0, .. Own, 2, 0]));
        AssertDropped(Ethernet(GatewayMac, GuestMac, 0x86DD, new byte[60]));
    }

    [Fact]
    public void Filter_WhatOnlyRoutersSay_IsDropped()
    {
        AssertDropped(OnLink(OwnLocal, AllNodes, RouterAdvertisement, new byte[12]));
        AssertDropped(OnLink(OwnLocal, AllNodes, Redirect, new byte[36]));
        byte[] hidden = [Icmp6Protocol, 0, 1, 4, 0, 0, 0, 0, .. Icmp6(OwnLocal, AllNodes, RouterAdvertisement, 0, new byte[12])];
        AssertDropped(Ethernet(GatewayMac, GuestMac, 0x86DD, Ipv6(OwnLocal, AllNodes, 60, hidden, 255)));
    }

    [Fact]
    public void Filter_ForeignMacInNeighbourDiscovery_IsDropped()
    {
        (SwitchPort one, _) = _bench.Plug(new SwitchPortOptions { AllowedMacs = [MacAddress.Read(GuestMac)] });
        (_, RecordingReceiver card) = _bench.Plug();

        Send(one, OnLink(OwnLocal, AllNodes, Advertisement, [0x20, 0, 0, 0, .. Own, 2, 1, .. Mac(7)]));
        Send(one, OnLink(OwnLocal, AllNodes, Advertisement, [0x20, 0, 0, 0, .. Own, 2, 1, .. GuestMac]));

        Assert.Equal(1, card.Count);
        Assert.Equal((1, 1), (one.Counters.Filtered, one.Counters.In));
    }

    private static void AssertPasses(byte[] frame) => Assert.Equal(1, CountPassed(frame));

    private static void AssertDropped(byte[] frame) => Assert.Equal(0, CountPassed(frame));

    private static int CountPassed(byte[] frame)
    {
        using SwitchBench bench = new();
        (SwitchPort port, _) = bench.Plug(Filtered);
        (_, RecordingReceiver card) = bench.Plug();
        Send(port, frame);
        return card.Count;
    }

    private static byte[] Group(byte[] address) => [0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, .. address[13..]];
}
