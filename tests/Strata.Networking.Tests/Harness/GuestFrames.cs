using System.Buffers.Binary;

namespace Strata.Networking.Tests.Harness;

/// <summary>
/// Frames built and checked byte by byte, on purpose without the code under test: checksums are computed here the slow way.
/// </summary>
internal static class GuestFrames
{
    public const int EthernetSize = 14;
    public const int Ipv4Size = 20;
    public const byte IcmpProtocol = 1;
    public const byte TcpProtocol = 6;
    public const byte UdpProtocol = 17;

    public static readonly byte[] GuestMac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    public static readonly byte[] GatewayMac = [0x52, 0x55, 0x0A, 0, 2, 2];
    public static readonly byte[] Everybody = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    public static readonly byte[] Guest = [10, 0, 2, 15];
    public static readonly byte[] Gateway = [10, 0, 2, 2];
    public static readonly byte[] Dns = [10, 0, 2, 3];

    public static byte[] Ethernet(byte[] destination, byte[] source, ushort type, byte[] payload) =>
        [.. destination, .. source, .. Big16(type), .. payload];

    public static byte[] Ipv4(byte[] source, byte[] destination, byte protocol, byte[] payload, ushort identification = 0, int fragmentField = 0x4000)
    {
        byte[] header =
        [
            0x45, 0, .. Big16((ushort)(Ipv4Size + payload.Length)), .. Big16(identification), .. Big16((ushort)fragmentField),
            64, protocol, 0, 0, .. source, .. destination,
        ];
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(10), Checksum(header));
        return [.. header, .. payload];
    }

    /// <summary>A frame from the guest to the gateway's MAC address.</summary>
    public static byte[] Packet(byte[] source, byte[] destination, byte protocol, byte[] payload) =>
        Ethernet(GatewayMac, GuestMac, 0x0800, Ipv4(source, destination, protocol, payload));

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

    public static ushort TransportChecksum(byte[] source, byte[] destination, byte protocol, byte[] bytes) =>
        Checksum([.. source, .. destination, 0, protocol, .. Big16((ushort)bytes.Length), .. bytes]);

    public static byte[] Big16(ushort value) => [(byte)(value >> 8), (byte)value];

    public static byte[] Big32(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    public static ushort Read16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));

    public static uint Read32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));

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
}
