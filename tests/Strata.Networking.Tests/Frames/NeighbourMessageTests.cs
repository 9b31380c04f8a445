using Strata.Networking.Frames;
using static Strata.Networking.Tests.Harness.GuestFrames;

namespace Strata.Networking.Tests.Frames;

/// <summary>What of neighbour discovery is believed. RFC 4861, sections 6.1 and 7.1.</summary>
public sealed class NeighbourMessageTests
{
    private const byte RouterSolicitation = 133;
    private const byte Solicitation = 135;
    private const byte Advertisement = 136;
    private static readonly byte[] Nobody = new byte[16];
    private static readonly byte[] Group = Address6("ff02::1:ff00:2");
    private static readonly byte[] SourceOption = [1, 1, .. GuestMac];
    private static readonly byte[] TargetOption = [2, 1, .. GuestMac];
    private static readonly byte[] Zero = new byte[4];

    [Fact]
    public void TryParse_Solicitation_HasTargetAndLinkAddress()
    {
        Assert.True(Parse(
            Guest6, Group, Solicitation, [.. Zero, .. Gateway6, 14, 1, 0, 0, 0, 0, 0, 0, .. SourceOption], out NeighbourMessage message));

        Assert.Equal((Solicitation, InternetAddress.Read(Gateway6)), (message.Type, message.Target));
        Assert.Equal(MacAddress.Read(GuestMac), message.LinkAddress);
    }

    [Fact]
    public void TryParse_Advertisement_HasTheOptionOfTheTarget()
    {
        Assert.True(
            Parse(GuestLocal, RouterLocal, Advertisement, [0x60, 0, 0, 0, .. Guest6, .. TargetOption], out NeighbourMessage message));

        Assert.Equal(MacAddress.Read(GuestMac), message.LinkAddress);
    }

    [Fact]
    public void TryParse_NamelessOnes_AreGoodWithoutLinkAddress()
    {
        Assert.True(Parse(Nobody, AllRouters, RouterSolicitation, Zero, out _));
        Assert.True(Parse(Nobody, Group, Solicitation, [.. Zero, .. Gateway6], out _));
    }

    [Fact]
    public void TryParse_WhatTheRfcForbids_IsRefused()
    {
        byte[] asked = [.. Zero, .. Gateway6];
        Assert.False(Parse(Guest6, Group, Solicitation, asked, out _, hopLimit: 254));
        Assert.False(Parse(Guest6, Group, Solicitation, asked, out _, code: 1));
        Assert.False(Parse(Guest6, Group, Solicitation, asked[..19], out _));
        Assert.False(Parse(Guest6, Group, Solicitation, [.. Zero, .. AllNodes], out _));
        Assert.False(Parse(Guest6, Group, Solicitation, [.. Zero, .. Address6("::ffff:10.0.2.15")], out _));
        Assert.False(Parse(Nobody, Gateway6, Solicitation, asked, out _));
        Assert.False(Parse(Nobody, Group, Solicitation, [.. asked, .. SourceOption], out _));
        Assert.False(Parse(Nobody, AllRouters, RouterSolicitation, [.. Zero, .. SourceOption], out _));
        Assert.False(Parse(Guest6, AllNodes, Advertisement, [0x60, 0, 0, 0, .. Guest6], out _)); // solicited, to everybody
        Assert.False(Parse(Guest6, Gateway6, Advertisement, [0x60, 0, 0, 0, .. AllNodes], out _));
        Assert.False(Parse(RouterLocal, AllNodes, type: 134, new byte[12], out _));
        Assert.False(Parse(RouterLocal, Guest6, type: 137, new byte[36], out _));
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 1, 2, 0, 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 1 })]
    [InlineData(new byte[] { 1, 1, 0x33, 0x33, 0, 0, 0, 1 })] // a multicast address is no station's
    public void TryParse_BadOption_IsRefused(byte[] option) =>
        Assert.False(Parse(Guest6, Group, Solicitation, [.. Zero, .. Gateway6, .. option], out _));

    [Fact]
    public void TryParse_InAFragment_IsRefused()
    {
        byte[] payload = Icmp6(Guest6, Group, Solicitation, 0, [.. Zero, .. Gateway6]);
        Assert.True(
            Ipv6Packet.TryParse(Ipv6(Guest6, Group, 44, [Icmp6Protocol, 0, 0, 0, 0, 0, 0, 1, .. payload], 255), out Ipv6Packet packet));
        Assert.Equal(payload, packet.Payload);

        Assert.False(NeighbourMessage.TryParse(packet, packet.Payload, out _));
    }

    private static bool Parse(
        byte[] source, byte[] destination, byte type, byte[] rest, out NeighbourMessage message, byte hopLimit = 255, byte code = 0)
    {
        byte[] bytes = Ipv6(source, destination, Icmp6Protocol, Icmp6(source, destination, type, code, rest), hopLimit);
        Assert.True(Ipv6Packet.TryParse(bytes, out Ipv6Packet packet));
        return NeighbourMessage.TryParse(packet, packet.Payload, out message);
    }
}
