using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Puts the fragments of packets together. RFC 791, "An Example Reassembly Procedure"; RFC 8200, section 4.5: overlapping fragments
/// discard the packet, which is good for IPv4 as well. Bounded in packets and in time. Under the network's gate.
/// </summary>
internal sealed class FragmentAssembler(IVirtualClock clock)
{
    private const int MostPackets = 16;
    private const int LargestPayload = ushort.MaxValue - Ipv4Packet.HeaderSize;
    private const long LifeNanoseconds = 15_000_000_000;
    private const int BlockSize = 8;

    /// <summary>Kept of a packet: enough for the largest in fragments of 576 bytes, not for fragments of eight.</summary>
    private const int MostFrames = 128;

    private readonly List<Partial> _partials = []; // oldest first

    public int Count => _partials.Count;

    /// <param name="offset">Bytes.</param>
    /// <param name="more">Others come behind it.</param>
    /// <returns>The whole payload if this was the last missing fragment.</returns>
    public byte[]? Add(FragmentKey key, int offset, bool more, ReadOnlySpan<byte> payload) =>
        Add(key, offset, more, payload, frame: [])?.Payload;

    /// <summary>The same, keeping the frames that the fragments came in.</summary>
    /// <param name="frame">Empty for one that is not needed again.</param>
    public AssembledPacket? Add(FragmentKey key, int offset, bool more, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> frame)
    {
        long now = clock.Now;
        _partials.RemoveAll(partial => now - partial.Started > LifeNanoseconds);
        if (offset + payload.Length > LargestPayload || payload.IsEmpty || (more && payload.Length % BlockSize != 0))
        {
            return null;
        }

        Partial? partial = _partials.Find(candidate => candidate.Key == key);
        if (partial is null)
        {
            if (_partials.Count == MostPackets)
            {
                _partials.RemoveAt(0);
            }

            partial = new Partial(key, now);
            _partials.Add(partial);
        }

        if (!partial.TryAdd(offset, payload, more) || !partial.TryKeep(frame))
        {
            _partials.Remove(partial);
            return null;
        }

        if (!partial.IsComplete)
        {
            return null;
        }

        _partials.Remove(partial);
        return new AssembledPacket(partial.Payload, partial.Frames);
    }

    private sealed class Partial(FragmentKey key, long started)
    {
        private readonly bool[] _present = new bool[(LargestPayload / BlockSize) + 1]; // one a block of 8 bytes
        private byte[] _bytes = new byte[4096];
        private int _length = -1; // known with the last fragment
        private int _received;

        public FragmentKey Key => key;

        public long Started => started;

        public bool IsComplete => _received == _length;

        public byte[] Payload => _bytes[.._length];

        public List<byte[]> Frames { get; } = [];

        public bool TryKeep(ReadOnlySpan<byte> frame)
        {
            if (!frame.IsEmpty)
            {
                Frames.Add(frame.ToArray());
            }

            return Frames.Count <= MostFrames;
        }

        public bool TryAdd(int offset, ReadOnlySpan<byte> bytes, bool more)
        {
            int end = offset + bytes.Length;
            Span<bool> blocks = _present.AsSpan(offset / BlockSize, (bytes.Length + BlockSize - 1) / BlockSize);
            if (blocks.Contains(true) || (!more && _length >= 0) || (_length >= 0 && end > _length) || (!more && _received > offset))
            {
                return false;
            }

            if (end > _bytes.Length)
            {
                Array.Resize(ref _bytes, Math.Max(end, Math.Min(LargestPayload, _bytes.Length * 2)));
            }

            blocks.Fill(true);
            bytes.CopyTo(_bytes.AsSpan(offset));
            _received += bytes.Length;
            _length = more ? _length : end;
            return true;
        }
    }
}

/// <summary>A packet that came in fragments.</summary>
/// <param name="Frames">Those that were kept, in the order in which they came.</param>
internal readonly record struct AssembledPacket(byte[] Payload, IReadOnlyList<byte[]> Frames);

/// <summary>What the fragments of one packet have in common.</summary>
internal readonly record struct FragmentKey(InternetAddress Source, InternetAddress Destination, uint Identification, byte Protocol);
