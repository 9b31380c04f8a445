using System.Buffers.Binary;
using System.Net;

namespace Strata.Networking.Tests.Harness;

/// <summary>
/// Frames built and checked byte by byte, on purpose without the code under test: checksums are computed here the slow way.
/// </summary>
internal static class GuestFrames
{
    public const int EthernetSize = 14;
    public const int Ipv4Size = 20;
    public const int Ipv6Size = 40;
    public const byte IcmpProtocol = 1;
    public const byte Icmp6Protocol = 58;
    public const byte TcpProtocol = 6;
    public const byte UdpProtocol = 17;

    public static readonly byte[] GuestMac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    public static readonly byte[] GatewayMac = [0x52, 0x55, 0x0A, 0, 2, 2];
    public static readonly byte[] Everybody = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    public static readonly byte[] Guest = [10, 0, 2, 15];
    public static readonly byte[] Gateway = [10, 0, 2, 2];
    public static readonly byte[] Dns = [10, 0, 2, 3];

    public static readonly byte[] Guest6 = Address6("fd53:7472:6174::5054:ff:fe12:3456");
    public static readonly byte[] GuestLocal = Address6("fe80::5054:ff:fe12:3456");
    public static readonly byte[] Gateway6 = Address6("fd53:7472:6174::2");
    public static readonly byte[] Dns6 = Address6("fd53:7472:6174::3");
    public static readonly byte[] RouterLocal = Address6("fe80::2");
    public static readonly byte[] AllNodes = Address6("ff02::1");
    public static readonly byte[] AllRouters = Address6("ff02::2");

    public static byte[] Address6(string text) => IPAddress.Parse(text).GetAddressBytes();

    public static byte[] Ethernet(byte[] destination, byte[] source, ushort type, byte[] payload) =>
        [.. destination, .. source, .. Big16(type), .. payload];

    public static byte[] Ipv4(
        byte[] source, byte[] destination, byte protocol, byte[] payload, ushort identification = 0, int fragmentField = 0x4000)
    {
        byte[] header =
        [
            0x45, 0, .. Big16((ushort)(Ipv4Size + payload.Length)), .. Big16(identification), .. Big16((ushort)fragmentField),
            64, protocol, 0, 0, .. source, .. destination,
        ];
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(10), Checksum(header));
        return [.. header, .. payload];
    }

    public static byte[] Ipv6(byte[] source, byte[] destination, byte protocol, byte[] payload, byte hopLimit = 64) =>
        [0x60, 0, 0, 0, .. Big16((ushort)payload.Length), protocol, hopLimit, .. source, .. destination, .. payload];

    /// <summary>A frame from the guest to the gateway's MAC address; the addresses say by which protocol.</summary>
    public static byte[] Packet(byte[] source, byte[] destination, byte protocol, byte[] payload) => source.Length == 4
        ? Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(source, destination, protocol, payload))
        : Ethernet(GatewayMac, GuestMac, 0x86DD, Ipv6(source, destination, protocol, payload));

    /// <summary>An ICMPv6 message with its checksum.</summary>
    public static byte[] Icmp6(byte[] source, byte[] destination, byte type, byte code, byte[] rest)
    {
        byte[] message = [type, code, 0, 0, .. rest];
        Big16(TransportChecksum(source, destination, Icmp6Protocol, message)).CopyTo(message, 2);
        return message;
    }

    /// <summary>A frame of neighbour discovery: hop limit 255.</summary>
    public static byte[] OnLink(byte[] source, byte[] destination, byte type, byte[] rest, byte hopLimit = 255)
    {
        byte[] station = destination[0] == 0xFF ? [0x33, 0x33, .. destination[12..]] : GatewayMac;
        return Ethernet(
            station, GuestMac, 0x86DD, Ipv6(source, destination, Icmp6Protocol, Icmp6(source, destination, type, 0, rest), hopLimit));
    }

    public static byte[] UdpDatagram(byte[] source, byte[] destination, ushort sourcePort, ushort destinationPort, byte[] data)
    {
        byte[] datagram = [.. Big16(sourcePort), .. Big16(destinationPort), .. Big16((ushort)(8 + data.Length)), 0, 0, .. data];
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(6), TransportChecksum(source, destination, UdpProtocol, datagram));
        return datagram;
    }

    /// <summary>A sum over everything, field by field: zero for a packet whose checksum is right.</summary>
    public static ushort Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i % 2 == 0 ? (uint)bytes[i] << 8 : bytes[i];
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    /// <summary>The pseudo-headers of both protocols have the same sum: that of addresses, protocol and length.</summary>
    public static ushort TransportChecksum(byte[] source, byte[] destination, byte protocol, byte[] bytes) =>
        Checksum([.. source, .. destination, 0, protocol, .. Big16((ushort)bytes.Length), .. bytes]);

    public static byte[] Big16(ushort value) => [(byte)(value >> 8), (byte)value];

    public static byte[] Big32(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    public static ushort Read16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));

    public static uint Read32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));

    /// <summary>Checks the headers of a frame to the guest by the protocol that the addresses are of.</summary>
    /// <returns>The payload.</returns>
    public static byte[] Open(byte[] frame, byte protocol, byte[] source, byte[] destination) =>
        source.Length == 4 ? OpenIpv4(frame, protocol, source, destination) : OpenIpv6(frame, protocol, source, destination);

    /// <summary>Checks addresses and lengths of an IPv6 frame to the guest, and the checksum where it is ICMPv6.</summary>
    /// <returns>The payload.</returns>
    public static byte[] OpenIpv6(
        byte[] frame, byte protocol, byte[] source, byte[] destination, byte hopLimit = 64, byte[]? station = null)
    {
        Assert.Equal(station ?? GuestMac, frame[..6]);
        Assert.Equal(GatewayMac, frame[6..12]);
        Assert.Equal(0x86DD, Read16(frame, 12));
        byte[] packet = frame[EthernetSize..];
        Assert.Equal(0x60, packet[0]);
        Assert.Equal(packet.Length - Ipv6Size, Read16(packet, 4));
        Assert.Equal(protocol, packet[6]);
        Assert.Equal(hopLimit, packet[7]);
        Assert.Equal(source, packet[8..24]);
        Assert.Equal(destination, packet[24..40]);
        byte[] payload = packet[Ipv6Size..];
        Assert.True(protocol != Icmp6Protocol || TransportChecksum(source, destination, protocol, payload) == 0);
        return payload;
    }

    /// <summary>Checks both addresses, lengths and the header checksum of an IPv4 frame to the guest.</summary>
    /// <returns>The payload.</returns>
    public static byte[] OpenIpv4(byte[] frame, byte protocol, byte[] source, byte[] destination, byte[]? station = null)
    {
        Assert.Equal(station ?? GuestMac, frame[..6]);
        Assert.Equal(GatewayMac, frame[6..12]);
        Assert.Equal(0x0800, Read16(frame, 12));
        byte[] packet = frame[EthernetSize..];
        Assert.Equal(0x45, packet[0]);
        Assert.Equal(packet.Length, Read16(packet, 2));
        Assert.Equal(0, Checksum(packet.AsSpan(0, Ipv4Size)));
        Assert.Equal(protocol, packet[9]);
        Assert.Equal(source, packet[12..16]);
        Assert.Equal(destination, packet[16..20]);
        return packet[Ipv4Size..];
    }

    /// <summary>A DHCP message of a client, by broadcast.</summary>
    public static byte[] Dhcp(byte[] station, byte[] options)
    {
        byte[] nobody = [0, 0, 0, 0];
        byte[] allHosts = [255, 255, 255, 255];
        byte[] message = new byte[240 + options.Length];
        byte[] head = [1, 1, 6, 0, 0xDE, 0xAD, 0xBE, 0xEF];
        head.CopyTo(message, 0);
        station.CopyTo(message, 28);
        Big32(0x63825363).CopyTo(message, 236);
        options.CopyTo(message, 240);
        byte[] packet = Ipv4(nobody, allHosts, UdpProtocol, UdpDatagram(nobody, allHosts, 68, 67, message));
        return Ethernet(Everybody, station, 0x0800, packet);
    }
}
