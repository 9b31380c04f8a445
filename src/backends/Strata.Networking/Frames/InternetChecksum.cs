using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Strata.Networking.Frames;

/// <summary>The 16-bit ones' complement sum of IPv4, ICMP, UDP and TCP. RFC 1071, "Computing the Internet Checksum".</summary>
public static class InternetChecksum
{
    /// <summary>Adds bytes to a sum; all pieces but the last have even lengths.</summary>
    /// <returns>A sum for <see cref="Add"/> or <see cref="Finish"/>, in the byte order of the wire.</returns>
    public static ulong Add(ReadOnlySpan<byte> bytes, ulong sum = 0)
    {
        // The sum does not depend on byte order but for a final swap (RFC 1071, section 2(B)): so 32 bits at a time, as the host reads
        // them.
        ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(bytes);
        ulong native = 0;
        foreach (uint word in words)
        {
            native += word;
        }

        ReadOnlySpan<byte> tail = bytes[(words.Length * 4)..];
        if (tail.Length >= 2)
        {
            native += MemoryMarshal.Read<ushort>(tail);
            tail = tail[2..];
        }

        if (tail.Length == 1)
        {
            native += BitConverter.IsLittleEndian ? tail[0] : (uint)tail[0] << 8;
        }

        ushort folded = Fold(native);
        return sum + (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(folded) : folded);
    }

    /// <summary>The value for a checksum field.</summary>
    public static ushort Finish(ulong sum) => (ushort)~Fold(sum);

    /// <summary>The sum of the pseudo-header. RFC 9293, "Header Format"; RFC 768; RFC 8200, "Upper-Layer Checksums".</summary>
    /// <param name="length">Bytes of the TCP, UDP or ICMPv6 part.</param>
    public static ulong PseudoHeader(InternetAddress source, InternetAddress destination, byte protocol, int length) =>
        Words(source) + Words(destination) + protocol + (uint)length;

    /// <summary>An address in words of 32 bits: their carries are added like those of 16.</summary>
    private static ulong Words(InternetAddress address)
    {
        ulong low = (ulong)address.Value;
        ulong high = (ulong)(address.Value >> 64);
        return address.IsIpv4 ? (uint)low : (low >> 32) + (uint)low + (high >> 32) + (uint)high;
    }

    /// <summary>Adds the carries until 16 bits are left.</summary>
    public static ushort Fold(ulong sum)
    {
        while (sum >> 16 != 0)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)sum;
    }
}
