using System.Buffers.Binary;

namespace Strata.Virtio.Network;

/// <summary>
/// Automatic receive steering: frames of a flow go to the queue pair that its last frame was sent from. Virtual I/O Device (VIRTIO) 1.2,
/// "Network Device", "Automatic receive steering in multiqueue mode".
/// <para>Drivers send acknowledgments from whatever processor they run on, so that flows would change between pairs all the time, and
/// their frames overtake each other. A flow therefore moves only when the driver has seen its last frame in the old pair.</para>
/// <para>Flows that share one of the slots share a pair. Safe on any thread: two at once for one slot may lose a change of it.</para>
/// </summary>
internal sealed class FlowSteering
{
    /// <summary>How many flows are told apart at most.</summary>
    internal const int Slots = 1024;

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

    private readonly long[] _flows = new long[Slots]; // packed Flows: read and written whole

    /// <summary>A frame was sent from a pair.</summary>
    public void Learn(ReadOnlySpan<byte> frame, int pair)
    {
        if (TryHash(frame, out uint hash))
        {
            ref long slot = ref _flows[hash % Slots];
            Flow flow = new(Volatile.Read(ref slot));
            if (flow.Wanted != pair)
            {
                Volatile.Write(ref slot, flow.With(pair).Packed);
            }
        }
    }

    /// <summary>Where a frame for the guest belongs.</summary>
    /// <param name="head">The frame's first bytes; all headers that lie here are looked at.</param>
    /// <param name="pairs">How many there are, two or more.</param>
    /// <param name="hash">What <see cref="Delivered"/> needs; null for a frame that is of no flow, for pair 0.</param>
    public Flow Find(ReadOnlySpan<byte> head, int pairs, out uint? hash)
    {
        hash = null;
        if (!TryHash(head, out uint found))
        {
            return new Flow(0).With(0);
        }

        hash = found;
        Flow flow = new(Volatile.Read(ref _flows[found % Slots]));
        return flow.Wanted >= 0 && flow.Wanted < pairs ? flow : flow.With((int)(found % (uint)pairs));
    }

    /// <summary>A frame that was found to be of a flow lies in a pair's receive queue.</summary>
    /// <param name="usedIndex">Of the queue, behind the frame.</param>
    public void Delivered(uint hash, int pair, ushort usedIndex)
    {
        ref long slot = ref _flows[hash % Slots];
        Volatile.Write(ref slot, new Flow(Volatile.Read(ref slot)).At(pair, usedIndex).Packed);
    }

    public void Forget() => Array.Clear(_flows);

    public long[] SaveFlows() => [.. _flows];

    /// <param name="flows">As many as there are slots, or none. Any content is possible: pairs that are not there are not looked
    /// at.</param>
    public void LoadFlows(long[] flows) => flows.CopyTo(_flows, 0);

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

    private static int TypeAt(ReadOnlySpan<byte> frame, int at) =>
        at + 2 <= frame.Length ? BinaryPrimitives.ReadUInt16BigEndian(frame[at..]) : 0;

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

    /// <summary>A slot.
    /// <code>
    /// 0 used index (16)   16 pair of the last frame + 1 (8)   24 pair that frames are sent from + 1 (8)
    /// </code>
    /// </summary>
    internal readonly record struct Flow(long Packed)
    {
        /// <summary>The pair where frames should go; -1 where nothing is known.</summary>
        public int Wanted => (int)((Packed >> 24) & 0xFF) - 1;

        /// <summary>The pair where the last frame went; -1 if there was none.</summary>
        public int Last => (int)((Packed >> 16) & 0xFF) - 1;

        /// <summary>The used index of the receive queue of <see cref="Last"/> behind the last frame.</summary>
        public ushort UsedIndex => (ushort)Packed;

        public Flow With(int wanted) => new((Packed & 0xFF_FFFF) | ((wanted + 1L) << 24));

        public Flow At(int last, ushort usedIndex) => new((Packed & 0xFF00_0000) | ((last + 1L) << 16) | usedIndex);
    }
}
