using System.Buffers.Binary;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>Answers pings to the gateway and the name server, and tells guests what could not be delivered. RFC 792. Under the network's gate.</summary>
internal sealed class IcmpService(GuestLink link)
{
    public const byte CodeNetUnreachable = 0;
    public const byte CodeHostUnreachable = 1;
    public const byte CodePortUnreachable = 3;

    /// <summary>RFC 1812, "Destination Unreachable".</summary>
    public const byte CodeProhibited = 13;

    private const byte TypeEchoReply = 0;
    private const byte TypeUnreachable = 3;
    private const byte TypeEchoRequest = 8;
    private const int HeaderSize = 8;

    /// <summary>Bytes of the offending packet behind its header that an error quotes.</summary>
    private const int QuotedBytes = 8;

    /// <summary>Whether a message is a sound echo request.</summary>
    public static bool IsEchoRequest(ReadOnlySpan<byte> message) =>
        message.Length >= HeaderSize && message[0] == TypeEchoRequest && message[1] == 0
        && InternetChecksum.Finish(InternetChecksum.Add(message)) == 0;

    /// <summary>Whether pings to an address are answered here.</summary>
    public bool IsLocal(Ipv4Address address) => address == link.Options.Gateway || address == link.Options.Dns;

    /// <summary>Answers an echo request.</summary>
    public void Answer(in Ipv4Packet packet, ReadOnlySpan<byte> message)
    {
        byte[] reply = message.ToArray();
        reply[0] = TypeEchoReply;
        Sign(reply);
        link.SendPacket(packet.Destination, packet.Source, Ipv4Packet.ProtocolIcmp, reply);
    }

    /// <summary>Destination unreachable.</summary>
    /// <param name="quote">The packet that was not delivered, header first.</param>
    public void SendUnreachable(byte code, ReadOnlySpan<byte> quote)
    {
        if (!Ipv4Packet.TryParse(quote, out Ipv4Packet packet) || packet.FragmentOffset != 0 || packet.Destination.IsMulticast)
        {
            return;
        }

        int length = Math.Min(packet.Bytes.Length, packet.HeaderLength + QuotedBytes);
        Span<byte> message = stackalloc byte[HeaderSize + 60 + QuotedBytes];
        message = message[..(HeaderSize + length)];
        message.Clear();
        message[0] = TypeUnreachable;
        message[1] = code;
        packet.Bytes[..length].CopyTo(message[HeaderSize..]);
        Sign(message);
        link.SendPacket(link.Options.Gateway, packet.Source, Ipv4Packet.ProtocolIcmp, message);
    }

    /// <summary>Puts the checksum in.</summary>
    public static void Sign(Span<byte> message)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], InternetChecksum.Finish(InternetChecksum.Add(message)));
    }
}
