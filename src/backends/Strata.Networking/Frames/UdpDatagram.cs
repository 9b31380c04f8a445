using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// A UDP datagram. RFC 768.
/// <code>
/// 0 source port (16)   2 destination port (16)   4 length (16)   6 checksum (16)   8 data
/// </code>
/// </summary>
public readonly ref struct UdpDatagram
{
    /// <summary>Bytes.</summary>
    public const int HeaderSize = 8;

    private readonly ReadOnlySpan<byte> _bytes;

    private UdpDatagram(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    public ReadOnlySpan<byte> Data => _bytes[HeaderSize..];

    /// <param name="trusted">The sender left the checksum out: the bytes never were on a wire.</param>
    /// <returns>False if the length or the checksum is wrong.</returns>
    public static bool TryParse(
        InternetAddress source, InternetAddress destination, ReadOnlySpan<byte> bytes, bool trusted, out UdpDatagram datagram)
    {
        datagram = default;
        int length = bytes.Length < HeaderSize ? 0 : BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if (length < HeaderSize || length > bytes.Length)
        {
            return false;
        }

        bytes = bytes[..length];
        bool hasSum = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]) != 0;
        if (!hasSum && !trusted && !destination.IsIpv4)
        {
            return false; // only IPv4 lets a sender do without: RFC 8200, section 8.1
        }

        if (hasSum && !trusted)
        {
            ulong sum = InternetChecksum.Add(bytes, InternetChecksum.PseudoHeader(source, destination, Ipv4Packet.ProtocolUdp, length));
            if (InternetChecksum.Finish(sum) != 0)
            {
                return false;
            }
        }

        datagram = new UdpDatagram(bytes);
        return true;
    }

    /// <summary>Writes header and data.</summary>
    /// <param name="place"><see cref="HeaderSize"/> bytes and room for the data.</param>
    public static void Write(
        Span<byte> place, InternetAddress source, InternetAddress destination, ushort sourcePort, ushort destinationPort,
        ReadOnlySpan<byte> data)
    {
        int length = HeaderSize + data.Length;
        BinaryPrimitives.WriteUInt16BigEndian(place, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(place[4..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(place[6..], 0);
        data.CopyTo(place[HeaderSize..]);
        ulong sum = InternetChecksum.Add(
            place[..length], InternetChecksum.PseudoHeader(source, destination, Ipv4Packet.ProtocolUdp, length));
        ushort checksum = InternetChecksum.Finish(sum);
        BinaryPrimitives.WriteUInt16BigEndian(place[6..], checksum == 0 ? ushort.MaxValue : checksum); // zero would mean "none"
    }
}
