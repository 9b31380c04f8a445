using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>
/// ICMPv6 messages. RFC 4443.
/// <code>
/// 0 type   1 code   2 checksum (16)   4 what the type says
/// </code>
/// </summary>
internal static class Icmpv6Message
{
    /// <summary>Bytes before what the type says, and its first word.</summary>
    public const int HeaderSize = 8;

    public const byte TypeUnreachable = 1;
    public const byte TypeEchoRequest = 128;
    public const byte TypeEchoReply = 129;
    public const byte TypeRouterSolicitation = 133;
    public const byte TypeRouterAdvertisement = 134;
    public const byte TypeNeighbourSolicitation = 135;
    public const byte TypeNeighbourAdvertisement = 136;
    public const byte TypeRedirect = 137;

    /// <summary>Which multicast groups a station listens to. RFC 3810.</summary>
    public const byte TypeListenerReport = 143;

    private const int ChecksumField = 2;

    /// <summary>Errors have the types below 128.</summary>
    private const byte FirstInformational = 128;

    /// <summary>Whether a payload of ICMPv6 is an error message, about which no error may be sent. RFC 4443, section 2.4 (e).</summary>
    public static bool IsError(ReadOnlySpan<byte> message) =>
        message.IsEmpty || message[0] < FirstInformational || message[0] == TypeRedirect;

    /// <summary>Whether a message is whole and its checksum right.</summary>
    public static bool IsSound(InternetAddress source, InternetAddress destination, ReadOnlySpan<byte> message) =>
        message.Length >= HeaderSize && InternetChecksum.Finish(Sum(source, destination, message)) == 0;

    /// <summary>Puts the checksum in.</summary>
    public static void Sign(InternetAddress source, InternetAddress destination, Span<byte> message)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message[ChecksumField..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(message[ChecksumField..], InternetChecksum.Finish(Sum(source, destination, message)));
    }

    private static ulong Sum(InternetAddress source, InternetAddress destination, ReadOnlySpan<byte> message) =>
        InternetChecksum.Add(message, InternetChecksum.PseudoHeader(source, destination, Ipv6Packet.ProtocolIcmp, message.Length));
}
