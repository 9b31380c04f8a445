using System.Buffers.Binary;

namespace Strata.Virtio.Network;

/// <summary>
/// Automatic receive steering: frames of a flow go to the queue pair that its last frame was sent from. Virtual I/O Device (VIRTIO) 1.2,
/// "Network Device", "Automatic receive steering in multiqueue mode". The table forgets nothing and holds one byte a slot; flows that
/// share a slot share a pair. Safe on any thread: a frame that is steered by an old entry only arrives elsewhere.
/// </summary>
internal sealed class FlowSteering
{
    private const int Slots = 1024;
    private const int MacBytes = 12;
    private const int TypeIpv4 = 0x0800;
    private const int TypeIpv6 = 0x86DD;
    private const int TypeVlan = 0x8100;
    private const int TypeServiceVlan = 0x88A8;
    private const int Ipv4Header = 20;
    private const int Ipv6Header = 40;
    private const int FragmentBits = 0x3FFF; // more fragments, and the offset
    private const byte Tcp = 6;
    private const byte Udp = 17;

    private readonly byte[] _pairs = new byte[Slots]; // one more than the number of a pair; zero where nothing was sent yet

    /// <summary>A frame was sent from a pair.</summary>
    public void Learn(ReadOnlySpan<byte> frame, int pair)
    {
        if (TryHash(frame, out uint hash))
        {
            Volatile.Write(ref _pairs[hash % Slots], (byte)(pair + 1));
        }
    }

    /// <summary>The pair that a frame for the guest belongs to: below <paramref name="pairs"/>.</summary>
    /// <param name="head">The frame's first bytes, all headers of which are looked at where they lie here.</param>
    public int Choose(ReadOnlySpan<byte> head, int pairs)
    {
        if (pairs <= 1 || !TryHash(head, out uint hash))
        {
            return 0;
        }

        int learnt = Volatile.Read(ref _pairs[hash % Slots]) - 1;
        return learnt >= 0 && learnt < pairs ? learnt : (int)(hash % (uint)pairs);
    }

    public void Forget() => Array.Clear(_pairs);

    /// <summary>The same for both directions of a flow: addresses, and ports of TCP and UDP but of fragments.</summary>
    /// <returns>False for a frame that is no IP.</returns>
    internal static bool TryHash(ReadOnlySpan<byte> frame, out uint hash)
    {
        hash = 0;
        int at = MacBytes;
        int type = TypeAt(frame, at);
        while (type is TypeVlan or TypeServiceVlan)
        {
            at += 4;
            type = TypeAt(frame, at);
        }

        ReadOnlySpan<byte> packet = type is TypeIpv4 or TypeIpv6 ? frame[(at + 2)..] : default;
        bool isIpv4 = type == TypeIpv4;
        if (packet.Length < (isIpv4 ? Ipv4Header : Ipv6Header))
        {
            return false;
        }

        int size = isIpv4 ? 4 : 16;
        int addresses = isIpv4 ? 12 : 8;
        byte protocol = packet[isIpv4 ? 9 : 6];
        int header = isIpv4 ? (packet[0] & 0xF) * 4 : Ipv6Header;
        bool isFragment = isIpv4 && (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & FragmentBits) != 0;
        ulong source = Fold(packet.Slice(addresses, size));
        ulong destination = Fold(packet.Slice(addresses + size, size));
        if (protocol is Tcp or Udp && !isFragment && packet.Length >= header + 4)
        {
            source ^= (ulong)BinaryPrimitives.ReadUInt16BigEndian(packet[header..]) << 32;
            destination ^= (ulong)BinaryPrimitives.ReadUInt16BigEndian(packet[(header + 2)..]) << 32;
        }

        hash = (uint)((Mix(source) + Mix(destination) + protocol) >> 32);
        return true;
    }

    private static int TypeAt(ReadOnlySpan<byte> frame, int at) => at + 2 <= frame.Length ? BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) : 0;

    private static ulong Fold(ReadOnlySpan<byte> address)
    {
        ulong folded = 0;
        for (; address.Length >= 4; address = address[4..])
        {
            folded = (folded * 31) + BinaryPrimitives.ReadUInt32BigEndian(address);
        }

        return folded;
    }

    /// <summary>Spreads the bits of an end of a flow; the sum of both ends does not depend on their order.</summary>
    private static ulong Mix(ulong end)
    {
        end *= 0x9E37_79B9_7F4A_7C15;
        return (end ^ (end >> 29)) * 0xBF58_476D_1CE4_E5B9;
    }
}
