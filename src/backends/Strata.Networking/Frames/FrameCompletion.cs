using System.Buffers.Binary;
using Strata.Core.Networking;

namespace Strata.Networking.Frames;

/// <summary>Takes frames one after the other.</summary>
public delegate void FrameSink(ReadOnlySpan<byte> frame, in FrameOffload offload);

/// <summary>
/// Does what a frame's sender left to others and its receiver does not do: puts checksums in, cuts large TCP segments. Frames are
/// untrusted: one whose headers contradict its offload is dropped.
/// </summary>
public static class FrameCompletion
{
    private const int TcpSequence = 4;
    private const int TcpFlagsField = 13;
    private const int TcpHeaderSize = 20;
    private const int Ipv6HeaderSize = 40;
    private const byte TcpFinAndPush = 0x09;
    private const byte TcpCongestionReduced = 0x80;

    /// <summary>Hands on a frame as it is if its receiver accepts that, else as many complete frames.</summary>
    public static void Complete(ReadOnlySpan<byte> frame, in FrameOffload offload, FrameFeatures accepts, FrameSink sink)
    {
        ArgumentNullException.ThrowIfNull(sink);
        bool cut = offload.Segmentation != FrameFeatures.None && (accepts & offload.Segmentation) == 0;
        bool sum = offload.NeedsChecksum && (cut || (accepts & FrameFeatures.PartialChecksum) == 0);
        if (cut)
        {
            Cut(frame, offload, sink);
        }
        else if (sum)
        {
            byte[] copy = frame.ToArray();
            PutChecksum(copy, offload);
            sink(copy, FrameOffload.None);
        }
        else
        {
            sink(frame, offload);
        }
    }

    /// <summary>Puts the checksum in its place. The field already holds the pseudo-header's sum.</summary>
    public static void PutChecksum(Span<byte> frame, in FrameOffload offload)
    {
        int place = offload.ChecksumStart + offload.ChecksumOffset;
        if (place + 2 > frame.Length)
        {
            return;
        }

        ushort checksum = InternetChecksum.Finish(InternetChecksum.Add(frame[offload.ChecksumStart..]));
        BinaryPrimitives.WriteUInt16BigEndian(frame[place..], checksum == 0 ? ushort.MaxValue : checksum);
    }

    private static void Cut(ReadOnlySpan<byte> frame, in FrameOffload offload, FrameSink sink)
    {
        int tcp = offload.ChecksumStart;
        bool isIpv6 = offload.Segmentation == FrameFeatures.Tcp6Segmentation;
        int ip = EthernetFrame.HeaderSize + (VlanTag.Find(frame) is null ? 0 : VlanTag.Size);
        int least = ip + (isIpv6 ? Ipv6HeaderSize : Ipv4Packet.HeaderSize);
        if (tcp < least
            || tcp + TcpHeaderSize > frame.Length
            || offload.SegmentSize == 0
            || offload.ChecksumOffset != TcpSegment.ChecksumOffset
            || frame[ip] >> 4 != (isIpv6 ? 6 : 4) || (!isIpv6 && ip + ((frame[ip] & 0xF) * 4) != tcp))
        {
            return;
        }

        int headers = tcp + ((frame[tcp + 12] >> 4) * 4);
        if (headers < tcp + TcpHeaderSize || headers > frame.Length)
        {
            return;
        }

        byte[] piece = new byte[headers + Math.Min(offload.SegmentSize, frame.Length - headers)];
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(frame[(tcp + TcpSequence)..]);
        ushort identification = BinaryPrimitives.ReadUInt16BigEndian(frame[(ip + 4)..]);
        for (int at = headers, index = 0; at < frame.Length || index == 0; at += offload.SegmentSize, index++)
        {
            int length = Math.Min(offload.SegmentSize, frame.Length - at);
            bool last = at + length == frame.Length;
            Span<byte> one = piece.AsSpan(0, headers + length);
            frame[..headers].CopyTo(one);
            frame.Slice(at, length).CopyTo(one[headers..]);
            BinaryPrimitives.WriteUInt32BigEndian(one[(tcp + TcpSequence)..], sequence + (uint)(at - headers));
            one[tcp + TcpFlagsField] &= (byte)~((last ? 0 : TcpFinAndPush) | (index == 0 ? 0 : TcpCongestionReduced));
            WriteLengths(one, ip, tcp, isIpv6, (ushort)(identification + index));
            sink(one, FrameOffload.None);
        }
    }

    /// <summary>The fields that depend on a piece's length: in the IP header, and the checksums.</summary>
    private static void WriteLengths(Span<byte> frame, int ip, int tcp, bool isIpv6, ushort identification)
    {
        int length = frame.Length - tcp;
        ulong sum;
        if (isIpv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 4)..], (ushort)(frame.Length - ip - Ipv6HeaderSize));
            sum = InternetChecksum.Add(frame.Slice(ip + 8, 32)) + Ipv4Packet.ProtocolTcp + (uint)length; // both addresses
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 2)..], (ushort)(frame.Length - ip));
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 4)..], identification);
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 10)..], 0);
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 10)..], InternetChecksum.Finish(InternetChecksum.Add(frame[ip..tcp])));
            sum = InternetChecksum.PseudoHeader(
                Ipv4Address.Read(frame[(ip + 12)..]), Ipv4Address.Read(frame[(ip + 16)..]), Ipv4Packet.ProtocolTcp, length);
        }

        Span<byte> place = frame[(tcp + TcpSegment.ChecksumOffset)..];
        BinaryPrimitives.WriteUInt16BigEndian(place, 0);
        BinaryPrimitives.WriteUInt16BigEndian(place, InternetChecksum.Finish(InternetChecksum.Add(frame[tcp..], sum)));
    }
}
