using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// What a router tells its link. RFC 4861, section 4.2; the name server's option RFC 8106, section 5.1.
/// <code>
/// 0 ICMPv6 header (4)   4 hop limit   5 flags   6 router lifetime in s (16)   8 reachable time (32)   12 retransmission time (32)
/// 16 link address: 1, 1, MAC (48)
/// 24 MTU: 5, 1, zero (16), bytes (32)
/// 32 prefix: 3, 4, length, on link | autonomous, valid s (32), preferred s (32), zero (32), prefix (128)
/// 64 name server: 25, 3, zero (16), lifetime s (32), address (128)
/// </code>
/// </summary>
/// <param name="Prefix">64 bits of it count; hosts make their addresses in it.</param>
/// <param name="RouterSeconds">How long the sender is a way out; 0 for not at all.</param>
/// <param name="NameServer">Or null for none to tell of.</param>
/// <param name="NameServerSeconds">How long it may be used; 0 takes it back.</param>
internal sealed record RouterAdvertisement(
    MacAddress Sender, int Mtu, InternetAddress Prefix, ushort RouterSeconds, InternetAddress? NameServer, uint NameServerSeconds)
{
    /// <summary>Bytes with all options.</summary>
    public const int LargestSize = 88;

    private const int NameServerPlace = 64;
    private const byte HopLimit = 64;
    private const byte OptionPrefix = 3;
    private const byte OptionMtu = 5;
    private const byte OptionNameServer = 25;
    private const byte PrefixBits = 64;
    private const byte OnLinkAndAutonomous = 0xC0;
    private const uint ValidSeconds = 86400;
    private const uint PreferredSeconds = 14400;

    /// <summary>Writes the message without a checksum.</summary>
    /// <param name="place"><see cref="LargestSize"/> bytes.</param>
    /// <returns>Bytes.</returns>
    public int Write(Span<byte> place)
    {
        place[..LargestSize].Clear();
        place[0] = Icmpv6Message.TypeRouterAdvertisement;
        place[4] = HopLimit;
        BinaryPrimitives.WriteUInt16BigEndian(place[6..], RouterSeconds);
        NeighbourMessage.WriteLinkAddress(place[16..], NeighbourMessage.OptionSourceLinkAddress, Sender);
        place[24] = OptionMtu;
        place[25] = 1;
        BinaryPrimitives.WriteUInt32BigEndian(place[28..], (uint)Mtu);
        place[32] = OptionPrefix;
        place[33] = 4;
        place[34] = PrefixBits;
        place[35] = OnLinkAndAutonomous;
        BinaryPrimitives.WriteUInt32BigEndian(place[36..], ValidSeconds);
        BinaryPrimitives.WriteUInt32BigEndian(place[40..], PreferredSeconds);
        Prefix.Write(place[48..]);
        if (NameServer is not { } server)
        {
            return NameServerPlace;
        }

        place[64] = OptionNameServer;
        place[65] = 3;
        BinaryPrimitives.WriteUInt32BigEndian(place[68..], NameServerSeconds);
        server.Write(place[72..]);
        return LargestSize;
    }
}
