using System.Buffers.Binary;

namespace Strata.Devices.Network;

/// <summary>The ones' complement sum of RFC 1071.</summary>
internal static class InternetChecksum
{
    /// <summary>Adds bytes as big-endian words; an odd one is the upper byte of a word.</summary>
    public static uint Add(uint sum, ReadOnlySpan<byte> bytes)
    {
        ulong total = sum;
        for (; bytes.Length >= 2; bytes = bytes[2..])
        {
            total += BinaryPrimitives.ReadUInt16BigEndian(bytes);
        }

        if (!bytes.IsEmpty)
        {
            total += (uint)bytes[0] << 8;
        }

        return (uint)((total & 0xFFFF_FFFF) + (total >> 32));
    }

    /// <summary>The checksum of a sum.</summary>
    public static ushort Finish(uint sum)
    {
        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    /// <summary>
    /// Sums a part of a frame, with what is in the checksum's place, and puts the result there. Places outside of it do nothing.
    /// </summary>
    /// <param name="end">Last byte that is summed; 0 or beyond the frame for all.</param>
    public static void Insert(Span<byte> frame, int start, int place, int end)
    {
        int last = end == 0 || end >= frame.Length ? frame.Length : end + 1;
        if (start >= last || place + 2 > frame.Length)
        {
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(frame[place..], Finish(Add(0, frame[start..last])));
    }
}
