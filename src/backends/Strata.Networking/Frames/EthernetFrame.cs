using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// An Ethernet II frame. IEEE 802.3, "MAC frame format".
/// <code>
/// 0 destination (48)   6 source (48)   12 type (16)   14 payload
/// </code>
/// </summary>
public readonly ref struct EthernetFrame
{
    /// <summary>Bytes.</summary>
    public const int HeaderSize = 14;

    public const ushort TypeIpv4 = 0x0800;
    public const ushort TypeArp = 0x0806;
    public const ushort TypeVlan = 0x8100;
    public const ushort TypeIpv6 = 0x86DD;

    private readonly ReadOnlySpan<byte> _bytes;

    private EthernetFrame(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    public MacAddress Destination => MacAddress.Read(_bytes);

    public MacAddress Source => MacAddress.Read(_bytes[6..]);

    public ushort Type => BinaryPrimitives.ReadUInt16BigEndian(_bytes[12..]);

    public ReadOnlySpan<byte> Payload => _bytes[HeaderSize..];

    /// <returns>False if the bytes are too few for a header.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out EthernetFrame frame)
    {
        bool good = bytes.Length >= HeaderSize;
        frame = good ? new EthernetFrame(bytes) : default;
        return good;
    }

    public static void WriteHeader(Span<byte> place, MacAddress destination, MacAddress source, ushort type)
    {
        destination.Write(place);
        source.Write(place[6..]);
        BinaryPrimitives.WriteUInt16BigEndian(place[12..], type);
    }
}
