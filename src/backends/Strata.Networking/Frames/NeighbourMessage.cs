using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// A message by which stations of an IPv6 link find each other. RFC 4861, section 4, "Message Formats".
/// <code>
/// router solicitation      0 ICMPv6 header (4)   4 zero (32)    8 options
/// neighbour solicitation   0 ICMPv6 header (4)   4 zero (32)    8 target (128)   24 options
/// neighbour advertisement  0 ICMPv6 header (4)   4 flags (32)   8 target (128)   24 options
/// option                   0 type   1 length / 8   2 what the type says
/// </code>
/// Advertisements of routers and redirects are for hosts: a router has no use for them.
/// </summary>
internal readonly record struct NeighbourMessage
{
    /// <summary>Bytes of a neighbour solicitation or advertisement with its one option.</summary>
    public const int Size = TargetEnd + LinkAddressOptionSize;

    /// <summary>Bytes.</summary>
    public const int LinkAddressOptionSize = 8;

    public const byte OptionSourceLinkAddress = 1;
    public const byte OptionTargetLinkAddress = 2;

    /// <summary>Flags of an advertisement: the sender is a router, was asked, and knows better than what was known.</summary>
    public const uint FlagRouter = 1u << 31;

    public const uint FlagSolicited = 1u << 30;
    public const uint FlagOverride = 1u << 29;

    private const int RouterSolicitationSize = 8;
    private const int TargetPlace = 8;
    private const int TargetEnd = TargetPlace + InternetAddress.Size;

    /// <summary>One of the types in <see cref="Icmpv6Message"/>.</summary>
    public byte Type { get; private init; }

    /// <summary>Whose Ethernet address is asked for or told.</summary>
    public InternetAddress Target { get; private init; }

    /// <summary>The Ethernet address in the option that goes with the type, if there is one.</summary>
    public MacAddress? LinkAddress { get; private init; }

    /// <summary>Applies the checks of RFC 4861, sections 6.1.1, 7.1.1 and 7.1.2, and of RFC 6980, section 5.</summary>
    /// <param name="message">The packet's payload, whose checksum is right.</param>
    public static bool TryParse(in Ipv6Packet packet, ReadOnlySpan<byte> message, out NeighbourMessage parsed)
    {
        parsed = default;
        if (packet.HopLimit != Ipv6Packet.LinkHopLimit
            || packet.Fragment is not null
            || message.Length < RouterSolicitationSize
            || message[1] != 0)
        {
            return false;
        }

        byte type = message[0];
        bool isRouterSolicitation = type == Icmpv6Message.TypeRouterSolicitation;
        int head = isRouterSolicitation ? RouterSolicitationSize : TargetEnd;
        byte option = type == Icmpv6Message.TypeNeighbourAdvertisement ? OptionTargetLinkAddress : OptionSourceLinkAddress;
        if (type is not (
            Icmpv6Message.TypeRouterSolicitation or Icmpv6Message.TypeNeighbourSolicitation or Icmpv6Message.TypeNeighbourAdvertisement)
            || message.Length < head || !TryReadOptions(message[head..], option, out MacAddress? link))
        {
            return false;
        }

        InternetAddress target = isRouterSolicitation ? InternetAddress.Any : InternetAddress.Read(message[TargetPlace..]);
        bool hasNoSource = packet.Source.IsUnspecified;
        bool isSound = !target.IsIpv4 && type switch
        {
            Icmpv6Message.TypeRouterSolicitation => !(hasNoSource && link is not null),
            Icmpv6Message.TypeNeighbourSolicitation =>
                !target.IsMulticast && (!hasNoSource || (link is null && packet.Destination == target.SolicitedNode)),
            _ => !target.IsMulticast && !hasNoSource
                && !(packet.Destination.IsMulticast && (BinaryPrimitives.ReadUInt32BigEndian(message[4..]) & FlagSolicited) != 0),
        };
        parsed = new NeighbourMessage { Type = type, Target = target, LinkAddress = link };
        return isSound;
    }

    /// <summary>Writes a solicitation or advertisement of a neighbour, without a checksum.</summary>
    /// <param name="place"><see cref="Size"/> bytes.</param>
    /// <param name="sender">The sender's Ethernet address.</param>
    public static void Write(Span<byte> place, byte type, uint flags, InternetAddress target, MacAddress sender)
    {
        place[..Size].Clear();
        place[0] = type;
        BinaryPrimitives.WriteUInt32BigEndian(place[4..], flags);
        target.Write(place[TargetPlace..]);
        WriteLinkAddress(
            place[TargetEnd..], type == Icmpv6Message.TypeNeighbourAdvertisement ? OptionTargetLinkAddress : OptionSourceLinkAddress,
            sender);
    }

    public static void WriteLinkAddress(Span<byte> place, byte option, MacAddress address)
    {
        place[0] = option;
        place[1] = LinkAddressOptionSize / 8;
        address.Write(place[2..]);
    }

    /// <summary>Options may come in any order, and unknown ones are passed over; one without length makes the message worthless.</summary>
    private static bool TryReadOptions(ReadOnlySpan<byte> options, byte wanted, out MacAddress? link)
    {
        link = null;
        while (!options.IsEmpty)
        {
            int size = options.Length < 2 ? 0 : options[1] * 8;
            if (size == 0 || size > options.Length)
            {
                return false;
            }

            if (options[0] == wanted && size == LinkAddressOptionSize)
            {
                link = MacAddress.Read(options[2..]);
            }

            options = options[size..];
        }

        return link is not { IsGroup: true };
    }
}
