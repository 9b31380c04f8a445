using System.Buffers.Binary;

namespace Strata.Networking.Frames;

/// <summary>Control bits of a TCP header.</summary>
[Flags]
public enum TcpFlags : byte
{
    None = 0,
    Fin = 1,
    Syn = 2,
    Rst = 4,
    Psh = 8,
    Ack = 16,
    Urg = 32,
}

/// <summary>
/// A TCP segment. RFC 9293, "Header Format".
/// <code>
/// 0 source port (16)   2 destination port (16)   4 sequence (32)   8 acknowledgment (32)   12 header words (4) | reserved
/// 13 flags   14 window (16)   16 checksum (16)   18 urgent (16)   20 options   … data
/// </code>
/// </summary>
public readonly ref struct TcpSegment
{
    /// <summary>Bytes of a header without options.</summary>
    public const int HeaderSize = 20;

    /// <summary>Bytes from the header's start to the checksum.</summary>
    public const int ChecksumOffset = 16;

    private const byte OptionEnd = 0;
    private const byte OptionNone = 1;
    private const byte OptionMaximumSegmentSize = 2;
    private const byte OptionWindowScale = 3;

    private readonly ReadOnlySpan<byte> _bytes;

    private TcpSegment(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_bytes);

    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_bytes[2..]);

    public uint Sequence => BinaryPrimitives.ReadUInt32BigEndian(_bytes[4..]);

    public uint Acknowledgment => BinaryPrimitives.ReadUInt32BigEndian(_bytes[8..]);

    public int HeaderLength => (_bytes[12] >> 4) * 4;

    public TcpFlags Flags => (TcpFlags)(_bytes[13] & 0x3F);

    /// <summary>As in the header: not scaled.</summary>
    public ushort Window => BinaryPrimitives.ReadUInt16BigEndian(_bytes[14..]);

    /// <summary>With <see cref="TcpFlags.Urg"/>: bytes from <see cref="Sequence"/> to behind the urgent one.</summary>
    public ushort UrgentPointer => BinaryPrimitives.ReadUInt16BigEndian(_bytes[18..]);

    public ReadOnlySpan<byte> Data => _bytes[HeaderLength..];

    /// <summary>Sequence numbers that the segment takes.</summary>
    public uint SequenceLength => (uint)Data.Length + (Has(TcpFlags.Syn) ? 1u : 0) + (Has(TcpFlags.Fin) ? 1u : 0);

    public bool Has(TcpFlags flag) => (Flags & flag) != 0;

    /// <param name="trusted">The sender left the checksum out: the bytes never were on a wire.</param>
    /// <returns>False if a length or the checksum is wrong.</returns>
    public static bool TryParse(
        InternetAddress source, InternetAddress destination, ReadOnlySpan<byte> bytes, bool trusted, out TcpSegment segment)
    {
        segment = default;
        int header = bytes.Length < HeaderSize ? 0 : (bytes[12] >> 4) * 4;
        if (header < HeaderSize || header > bytes.Length)
        {
            return false;
        }

        if (!trusted)
        {
            ulong sum = InternetChecksum.Add(
                bytes, InternetChecksum.PseudoHeader(source, destination, Ipv4Packet.ProtocolTcp, bytes.Length));
            if (InternetChecksum.Finish(sum) != 0)
            {
                return false;
            }
        }

        segment = new TcpSegment(bytes);
        return true;
    }

    /// <summary>The options that matter in a SYN; null for those that are missing. What is malformed ends the list.</summary>
    public void ReadOptions(out ushort? maximumSegmentSize, out byte? windowScale)
    {
        maximumSegmentSize = null;
        windowScale = null;
        ReadOnlySpan<byte> options = _bytes[HeaderSize..HeaderLength];
        while (!options.IsEmpty && options[0] != OptionEnd)
        {
            if (options[0] == OptionNone)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length)
            {
                return;
            }

            switch (options[0], options[1])
            {
                case (OptionMaximumSegmentSize, 4):
                    maximumSegmentSize = BinaryPrimitives.ReadUInt16BigEndian(options[2..]);
                    break;
                case (OptionWindowScale, 3):
                    windowScale = options[2];
                    break;
                default:
                    break;
            }

            options = options[options[1]..];
        }
    }

    /// <summary>Writes a header with a checksum field of zero.</summary>
    /// <param name="optionLength">Bytes of options behind it, a multiple of 4, written by <see cref="WriteSynOptions"/>.</param>
    /// <param name="urgentPointer">Counts with <see cref="TcpFlags.Urg"/>.</param>
    public static void WriteHeader(
        Span<byte> place, ushort sourcePort, ushort destinationPort, uint sequence, uint acknowledgment, TcpFlags flags, ushort window,
        int optionLength = 0,
        ushort urgentPointer = 0)
    {
        BinaryPrimitives.WriteUInt16BigEndian(place, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], destinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(place[4..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(place[8..], acknowledgment);
        place[12] = (byte)((HeaderSize + optionLength) / 4 << 4);
        place[13] = (byte)flags;
        BinaryPrimitives.WriteUInt16BigEndian(place[14..], window);
        BinaryPrimitives.WriteUInt16BigEndian(place[16..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(place[18..], urgentPointer);
    }

    /// <summary>Writes a SYN's options.</summary>
    /// <returns>Bytes, a multiple of 4.</returns>
    public static int WriteSynOptions(Span<byte> place, ushort maximumSegmentSize, byte? windowScale)
    {
        place[0] = OptionMaximumSegmentSize;
        place[1] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(place[2..], maximumSegmentSize);
        if (windowScale is not { } scale)
        {
            return 4;
        }

        place[4] = OptionNone;
        place[5] = OptionWindowScale;
        place[6] = 3;
        place[7] = scale;
        return 8;
    }
}
