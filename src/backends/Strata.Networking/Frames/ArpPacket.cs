using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// Address resolution for IPv4 over Ethernet. RFC 826.
/// <code>
/// 0 hardware (16) = 1   2 protocol (16) = 0800   4 sizes 6, 4   6 operation (16)
/// 8 sender MAC (48)   14 sender IP (32)   18 target MAC (48)   24 target IP (32)
/// </code>
/// </summary>
public readonly record struct ArpPacket(
    ushort Operation, MacAddress SenderMac, Ipv4Address SenderIp, MacAddress TargetMac, Ipv4Address TargetIp)
{
    /// <summary>Bytes.</summary>
    public const int Size = 28;

    public const ushort Request = 1;
    public const ushort Reply = 2;

    private const ulong EthernetAndIpv4 = 0x0001_0800_0604;

    public static bool TryParse(ReadOnlySpan<byte> bytes, out ArpPacket packet)
    {
        packet = default;
        if (bytes.Length < Size || BinaryPrimitives.ReadUInt64BigEndian(bytes) >> 16 != EthernetAndIpv4)
        {
            return false;
        }

        packet = new ArpPacket(
            BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]),
            MacAddress.Read(bytes[8..]),
            Ipv4Address.Read(bytes[14..]),
            MacAddress.Read(bytes[18..]),
            Ipv4Address.Read(bytes[24..]));
        return true;
    }

    public void Write(Span<byte> place)
    {
        BinaryPrimitives.WriteUInt64BigEndian(place, (EthernetAndIpv4 << 16) | Operation);
        SenderMac.Write(place[8..]);
        SenderIp.Write(place[14..]);
        TargetMac.Write(place[18..]);
        TargetIp.Write(place[24..]);
    }
}
