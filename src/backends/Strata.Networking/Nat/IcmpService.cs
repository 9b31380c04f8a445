using System.Buffers.Binary;
using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Answers pings to the router and the name server, and tells guests what could not be delivered. RFC 792 and RFC 4443.
/// Under the network's gate.
/// </summary>
internal sealed class IcmpService(GuestLink link, IVirtualClock clock)
{
    private const byte TypeEchoReply = 0;
    private const byte TypeUnreachable = 3;
    private const byte TypeEchoRequest = 8;
    private const int HeaderSize = 8;

    /// <summary>Bytes of the offending packet behind its header that an IPv4 error quotes.</summary>
    private const int QuotedBytes = 8;

    /// <summary>Bytes of a packet that an IPv6 error quotes: as many as fit into the smallest MTU.</summary>
    private const int QuotedIpv6Bytes = Ipv6Packet.SmallestMtu - Ipv6Packet.HeaderSize - HeaderSize;

    /// <summary>
    /// Errors are limited to one a millisecond over time, and a thousand at once: who tries a range of ports hears of each, who floods the
    /// network does not get as many frames back. RFC 4443, section 2.4 (f).
    /// </summary>
    private const long ErrorNanoseconds = 1_000_000;

    private const long BurstNanoseconds = 1000 * ErrorNanoseconds;

    private long _errorsPaidUntil = long.MinValue;

    /// <summary>Whether a packet of ICMP is a sound echo request.</summary>
    public static bool IsEchoRequest(in GuestPacket packet, ReadOnlySpan<byte> message)
    {
        bool isRequest = message.Length >= HeaderSize
            && message[0] == (packet.Source.IsIpv4 ? TypeEchoRequest : Icmpv6Message.TypeEchoRequest)
            && message[1] == 0;
        return isRequest && (packet.Source.IsIpv4
            ? InternetChecksum.Finish(InternetChecksum.Add(message)) == 0
            : Icmpv6Message.IsSound(packet.Source, packet.Destination, message));
    }

    /// <summary>Whether pings to an address are answered here.</summary>
    public bool IsLocal(InternetAddress address) =>
        link.IsOwn(address) || address == InternetAddress.AllNodes || address == InternetAddress.AllRouters;

    /// <summary>Answers an echo request.</summary>
    public void Answer(in GuestPacket packet, ReadOnlySpan<byte> message)
    {
        byte[] reply = message.ToArray();
        reply[0] = packet.Source.IsIpv4 ? TypeEchoReply : Icmpv6Message.TypeEchoReply;
        Send(packet.Destination.IsMulticast ? link.RouterFor(packet.Source) : packet.Destination, packet.Source, reply);
    }

    /// <summary>Destination unreachable.</summary>
    /// <param name="quote">The packet that was not delivered, header first.</param>
    public void SendUnreachable(Unreachable reason, ReadOnlySpan<byte> quote)
    {
        if (Ipv4Packet.TryParse(quote, out Ipv4Packet packet))
        {
            if (packet.FragmentOffset == 0 && !packet.Destination.IsMulticast)
            {
                int length = Math.Min(packet.Bytes.Length, packet.HeaderLength + QuotedBytes);
                SendError(packet.Source, TypeUnreachable, CodeOf(reason), packet.Bytes[..length]);
            }
        }
        else if (Ipv6Packet.TryParse(quote, out Ipv6Packet packet6)
            && packet6.Fragment is not { Offset: not 0 }
            && !packet6.Destination.IsMulticast
            && !(packet6.Protocol == Ipv6Packet.ProtocolIcmp && Icmpv6Message.IsError(packet6.Payload)))
        {
            int length = Math.Min(packet6.Bytes.Length, QuotedIpv6Bytes);
            SendError(packet6.Source, Icmpv6Message.TypeUnreachable, Ipv6CodeOf(reason), packet6.Bytes[..length]);
        }
    }

    /// <summary>Sends a message, after its checksum is put in.</summary>
    public void Send(InternetAddress source, InternetAddress guest, Span<byte> message)
    {
        if (guest.IsIpv4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(message[2..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(message[2..], InternetChecksum.Finish(InternetChecksum.Add(message)));
        }
        else
        {
            Icmpv6Message.Sign(source, guest, message);
        }

        link.SendPacket(source, guest, InternetPacket.ProtocolIcmp(guest), message);
    }

    private void SendError(InternetAddress guest, byte type, byte code, ReadOnlySpan<byte> quote)
    {
        long now = clock.Now;
        _errorsPaidUntil = Math.Max(_errorsPaidUntil, now - BurstNanoseconds);
        if (_errorsPaidUntil >= now)
        {
            return;
        }

        _errorsPaidUntil += ErrorNanoseconds;
        Span<byte> message = stackalloc byte[HeaderSize + QuotedIpv6Bytes];
        message = message[..(HeaderSize + quote.Length)];
        message[..HeaderSize].Clear();
        message[0] = type;
        message[1] = code;
        quote.CopyTo(message[HeaderSize..]);
        Send(link.RouterFor(guest), guest, message);
    }

    /// <summary>RFC 792, "Destination Unreachable Message"; RFC 1812, section 5.2.7.1.</summary>
    private static byte CodeOf(Unreachable reason) => reason switch
    {
        Unreachable.Network => 0,
        Unreachable.Port => 3,
        Unreachable.Prohibited => 13,
        _ => 1,
    };

    /// <summary>RFC 4443, section 3.1.</summary>
    private static byte Ipv6CodeOf(Unreachable reason) => reason switch
    {
        Unreachable.Network => 0,
        Unreachable.Port => 4,
        Unreachable.Prohibited => 1,
        _ => 3,
    };
}
