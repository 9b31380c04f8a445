using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// An IPv4 packet. RFC 791, "Internet Header Format".
/// <code>
/// 0 version | header words   1 service   2 total length (16)   4 identification (16)   6 flags (3) | fragment offset (13)
/// 8 time to live   9 protocol   10 checksum (16)   12 source (32)   16 destination (32)   20 options
/// </code>
/// </summary>
public readonly ref struct Ipv4Packet
{
    /// <summary>Bytes of a header without options.</summary>
    public const int HeaderSize = 20;

    public const byte ProtocolIcmp = 1;
    public const byte ProtocolTcp = 6;
    public const byte ProtocolUdp = 17;

    private const ushort DoNotFragment = 0x4000;
    private const ushort MoreFragments = 0x2000;
    private const byte InitialTimeToLive = 64;

    private readonly ReadOnlySpan<byte> _bytes;

    private Ipv4Packet(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <summary>Header and payload, without what Ethernet padded.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    public int HeaderLength => (_bytes[0] & 0xF) * 4;

    public ushort Identification => BinaryPrimitives.ReadUInt16BigEndian(_bytes[4..]);

    /// <summary>Bytes.</summary>
    public int FragmentOffset => (BinaryPrimitives.ReadUInt16BigEndian(_bytes[6..]) & 0x1FFF) * 8;

    public bool HasMoreFragments => (BinaryPrimitives.ReadUInt16BigEndian(_bytes[6..]) & MoreFragments) != 0;

    public bool IsFragment => HasMoreFragments || FragmentOffset != 0;

    public byte TimeToLive => _bytes[8];

    public byte Protocol => _bytes[9];

    public Ipv4Address Source => Ipv4Address.Read(_bytes[12..]);

    public Ipv4Address Destination => Ipv4Address.Read(_bytes[16..]);

    public ReadOnlySpan<byte> Payload => _bytes[HeaderLength..];

    /// <returns>False unless version, lengths and header checksum are right.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Ipv4Packet packet)
    {
        packet = default;
        if (bytes.Length < HeaderSize || bytes[0] >> 4 != 4)
        {
            return false;
        }

        int header = (bytes[0] & 0xF) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        if (header < HeaderSize
            || total < header
            || total > bytes.Length
            || InternetChecksum.Finish(InternetChecksum.Add(bytes[..header])) != 0)
        {
            return false;
        }

        packet = new Ipv4Packet(bytes[..total]);
        return true;
    }

    /// <summary>Writes a header without options.</summary>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="fragmentOffset">Bytes, a multiple of 8.</param>
    public static void WriteHeader(
        Span<byte> place, Ipv4Address source, Ipv4Address destination, byte protocol, int length,
        ushort identification = 0, int fragmentOffset = 0, bool moreFragments = false)
    {
        bool fragment = moreFragments || fragmentOffset != 0;
        place[..HeaderSize].Clear();
        place[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], (ushort)(HeaderSize + length));
        BinaryPrimitives.WriteUInt16BigEndian(place[4..], identification);
        int flags = fragment ? (moreFragments ? MoreFragments : 0) | (fragmentOffset / 8) : DoNotFragment;
        BinaryPrimitives.WriteUInt16BigEndian(place[6..], (ushort)flags);
        place[8] = InitialTimeToLive;
        place[9] = protocol;
        source.Write(place[12..]);
        destination.Write(place[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(place[10..], InternetChecksum.Finish(InternetChecksum.Add(place[..HeaderSize])));
    }
}
