namespace Strata.Networking.Frames;

/// <summary>Headers of either Internet protocol, which of them an address says.</summary>
internal static class InternetPacket
{
    /// <summary>Bytes of the largest header that <see cref="WriteHeader"/> writes.</summary>
    public const int LargestHeaderSize = Ipv6Packet.HeaderSize;

    /// <summary>Bytes of a header without options or extensions.</summary>
    public static int HeaderSize(InternetAddress address) => address.IsIpv4 ? Ipv4Packet.HeaderSize : Ipv6Packet.HeaderSize;

    /// <summary>The protocol number of ICMP.</summary>
    public static byte ProtocolIcmp(InternetAddress address) => address.IsIpv4 ? Ipv4Packet.ProtocolIcmp : Ipv6Packet.ProtocolIcmp;

    /// <summary>Writes the header of a packet that is no fragment.</summary>
    /// <param name="length">Bytes of the payload.</param>
    public static void WriteHeader(Span<byte> place, InternetAddress source, InternetAddress destination, byte protocol, int length)
    {
        if (destination.IsIpv4)
        {
            Ipv4Packet.WriteHeader(place, source.Ipv4, destination.Ipv4, protocol, length);
        }
        else
        {
            Ipv6Packet.WriteHeader(place, source, destination, protocol, length);
        }
    }
}
