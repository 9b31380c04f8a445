using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>What an IPv6 packet's fragment header says.</summary>
/// <param name="Offset">Bytes.</param>
public readonly record struct Ipv6Fragment(uint Identification, int Offset, bool HasMore);

/// <summary>
/// An IPv6 packet. RFC 8200, "Internet Protocol, Version 6".
/// <code>
/// 0 version (4) | traffic class (8) | flow label (20)   4 payload length (16)   6 next header   7 hop limit
/// 8 source (128)   24 destination (128)   40 extension headers, payload
/// </code>
/// Extension headers are stepped over: a packet whose headers ask for what a host does not do is no good.
/// </summary>
public readonly ref struct Ipv6Packet
{
    /// <summary>Bytes of a header without extensions.</summary>
    public const int HeaderSize = 40;

    /// <summary>Bytes.</summary>
    public const int FragmentHeaderSize = 8;

    /// <summary>Bytes of a packet that every link carries. RFC 8200, section 5.</summary>
    public const int SmallestMtu = 1280;

    /// <summary>Only a station on the same link can have sent that. RFC 4861, section 3.1.</summary>
    public const byte LinkHopLimit = 255;

    public const byte ProtocolIcmp = 58;

    /// <summary>Of the fragment header.</summary>
    public const byte ProtocolFragment = 44;

    private const byte ProtocolHopByHop = 0;
    private const byte ProtocolRouting = 43;
    private const byte ProtocolDestinationOptions = 60;
    private const byte InitialHopLimit = 64;

    /// <summary>More than a packet has any use for; RFC 8504, section 5.3, lets nodes have such a limit.</summary>
    private const int MostExtensions = 8;

    private const byte OptionPadOne = 0;

    /// <summary>
    /// An unknown option whose type begins with these bits set asks for the packet to be discarded. RFC 8200, section 4.2.
    /// </summary>
    private const int OptionDiscardBits = 0xC0;

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly int _payload;

    private Ipv6Packet(ReadOnlySpan<byte> bytes, int payload, byte protocol, Ipv6Fragment? fragment)
    {
        _bytes = bytes;
        _payload = payload;
        Protocol = protocol;
        Fragment = fragment;
    }

    /// <summary>Headers and payload, without what Ethernet padded.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    public byte HopLimit => _bytes[7];

    public InternetAddress Source => InternetAddress.Read(_bytes[8..]);

    public InternetAddress Destination => InternetAddress.Read(_bytes[24..]);

    /// <summary>Of the payload: that behind the extension headers, or behind the fragment header.</summary>
    public byte Protocol { get; }

    /// <summary>What was cut; null for a whole packet. A fragment that is a whole packet all the same (RFC 6946) has one, too.</summary>
    public Ipv6Fragment? Fragment { get; }

    /// <summary>Whether other fragments belong to it.</summary>
    public bool IsPartial => Fragment is { } fragment && (fragment.HasMore || fragment.Offset != 0);

    public ReadOnlySpan<byte> Payload => _bytes[_payload..];

    /// <returns>
    /// False unless version, length and extension headers are right, and the addresses some that may be on a wire: an IPv4-mapped one
    /// would pass for the IPv4 address itself.
    /// </returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Ipv6Packet packet)
    {
        packet = default;
        if (bytes.Length < HeaderSize || bytes[0] >> 4 != 6)
        {
            return false;
        }

        int total = HeaderSize + BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]);
        if (total > bytes.Length)
        {
            return false;
        }

        bytes = bytes[..total];
        byte protocol = bytes[6];
        int at = HeaderSize;
        if (!TrySkipExtensions(bytes, ref at, ref protocol, isFirst: true))
        {
            return false;
        }

        Ipv6Fragment? fragment = null;
        if (protocol == ProtocolFragment)
        {
            if (bytes.Length - at < FragmentHeaderSize)
            {
                return false;
            }

            protocol = bytes[at];
            int field = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]);
            fragment = new Ipv6Fragment(BinaryPrimitives.ReadUInt32BigEndian(bytes[(at + 4)..]), field & ~7, (field & 1) != 0);
            at += FragmentHeaderSize;
            bool isWhole = fragment is { Offset: 0, HasMore: false };
            if (isWhole && !TrySkipRest(bytes, ref at, ref protocol))
            {
                return false;
            }
        }

        packet = new Ipv6Packet(bytes, at, protocol, fragment);
        return !packet.Source.IsIpv4 && !packet.Source.IsMulticast && !packet.Destination.IsIpv4;
    }

    /// <summary>Steps over the extension headers of a payload that was put together from fragments.</summary>
    public static bool TrySkipRest(ReadOnlySpan<byte> bytes, ref int at, ref byte protocol) =>
        TrySkipExtensions(bytes, ref at, ref protocol, isFirst: false) && protocol != ProtocolFragment; // a fragment of fragments

    /// <summary>Writes a header without extensions.</summary>
    /// <param name="length">Bytes of the payload.</param>
    public static void WriteHeader(
        Span<byte> place, InternetAddress source, InternetAddress destination, byte protocol, int length, byte hopLimit = InitialHopLimit)
    {
        BinaryPrimitives.WriteUInt32BigEndian(place, 6u << 28);
        BinaryPrimitives.WriteUInt16BigEndian(place[4..], (ushort)length);
        place[6] = protocol;
        place[7] = hopLimit;
        source.Write(place[8..]);
        destination.Write(place[24..]);
    }

    /// <summary>
    /// Writes a fragment header.
    /// <code>
    /// 0 next header   1 zero   2 offset / 8 (13) | zero (2) | more   4 identification (32)
    /// </code>
    /// </summary>
    /// <param name="protocol">Of the packet that was cut.</param>
    public static void WriteFragmentHeader(Span<byte> place, byte protocol, Ipv6Fragment fragment)
    {
        place[0] = protocol;
        place[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], (ushort)(fragment.Offset | (fragment.HasMore ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(place[4..], fragment.Identification);
    }

    /// <summary>Moves on to the first header that is none of those every host steps over.</summary>
    private static bool TrySkipExtensions(ReadOnlySpan<byte> bytes, ref int at, ref byte protocol, bool isFirst)
    {
        for (int count = 0; protocol is ProtocolHopByHop or ProtocolRouting or ProtocolDestinationOptions; count++)
        {
            int size = bytes.Length - at < 8 ? 0 : (bytes[at + 1] + 1) * 8;
            if (count == MostExtensions
                || size == 0
                || size > bytes.Length - at
                || (protocol == ProtocolHopByHop && !(isFirst && count == 0)))
            {
                return false;
            }

            ReadOnlySpan<byte> header = bytes.Slice(at, size);
            // segments left: to be sent on, by a router
            bool isDone = protocol == ProtocolRouting ? header[3] == 0 : AreOptionsHarmless(header[2..]);
            if (!isDone)
            {
                return false;
            }

            protocol = header[0];
            at += size;
        }

        return true;
    }

    /// <summary>Whether a list of type, length, value is in bounds and none of it, all unknown, asks for a discard.</summary>
    private static bool AreOptionsHarmless(ReadOnlySpan<byte> options)
    {
        while (!options.IsEmpty)
        {
            if (options[0] == OptionPadOne)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] > options.Length - 2 || (options[0] & OptionDiscardBits) != 0)
            {
                return false;
            }

            options = options[(2 + options[1])..];
        }

        return true;
    }
}
