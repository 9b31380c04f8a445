using System.Buffers.Binary;

namespace Strata.Virtio.Tests.Network;

/// <summary>Frames of flows, as bytes.</summary>
internal static class FlowFrame
{
    private const int Ethernet = 14;
    private const int Ipv4Header = 20;
    private const int Ipv6Header = 40;

    /// <summary>A UDP datagram over IPv4 from 10.0.2.15 to 10.0.2.2.</summary>
    public static byte[] Udp(ushort source, ushort destination, byte protocol = 17, ushort fragment = 0)
    {
        byte[] frame = new byte[Ethernet + Ipv4Header + 8 + 20];
        frame[12] = 8;
        frame[Ethernet] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + 6), fragment);
        frame[Ethernet + 9] = protocol;
        new byte[] { 10, 0, 2, 15, 10, 0, 2, 2 }.CopyTo(frame, Ethernet + 12);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + Ipv4Header), source);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + Ipv4Header + 2), destination);
        return frame;
    }

    /// <summary>A TCP segment over IPv6.</summary>
    public static byte[] Tcp6(ushort source, ushort destination)
    {
        byte[] frame = new byte[Ethernet + Ipv6Header + 20];
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), 0x86DD);
        frame[Ethernet] = 0x60;
        frame[Ethernet + 6] = 6;
        frame[Ethernet + 8 + 15] = 1;
        frame[Ethernet + 24 + 15] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + Ipv6Header), source);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + Ipv6Header + 2), destination);
        return frame;
    }

    /// <summary>The answer to a frame: addresses and ports exchanged.</summary>
    public static byte[] Reversed(byte[] frame)
    {
        byte[] answer = (byte[])frame.Clone();
        bool isIpv4 = frame[Ethernet] >> 4 == 4;
        (int addresses, int size, int ports) = isIpv4 ? (12, 4, Ipv4Header) : (8, 16, Ipv6Header);
        Exchange(answer, Ethernet + addresses, size);
        Exchange(answer, Ethernet + ports, 2);
        return answer;
    }

    /// <summary>With an IEEE 802.1Q tag.</summary>
    public static byte[] Tagged(byte[] frame) => [.. frame[..12], 0x81, 0, 0, 10, .. frame[12..]];

    private static void Exchange(byte[] bytes, int at, int size)
    {
        byte[] first = bytes[at..(at + size)];
        bytes.AsSpan(at + size, size).CopyTo(bytes.AsSpan(at));
        first.CopyTo(bytes, at + size);
    }
}
