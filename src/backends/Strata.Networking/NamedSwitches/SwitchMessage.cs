using System.Buffers.Binary;
using Strata.Core.Networking;
using Strata.Networking.Frames;

namespace Strata.Networking.NamedSwitches;

/// <summary>
/// What travels between a machine and the switch it joined: one packet of a SOCK_SEQPACKET socket a message. Numbers are little-endian.
/// <code>
/// frame:  0 'F' (8)   1 left undone (8: bit 0 checksum)   2 segmentation (8: 0 none, 1 TCP/IPv4, 2 TCP/IPv6)   3 zero (8)
///         4 bytes of headers (16)   6 segment size (16)   8 checksum start (16)   10 checksum offset (16)   12 Ethernet frame
/// text:   0 'J' (8)   1 JSON
/// </code>
/// The other side may be any process of the user: all of it is checked as if a guest had written it.
/// </summary>
internal static class SwitchMessage
{
    public const byte Frame = (byte)'F';
    public const byte Text = (byte)'J';

    /// <summary>Bytes before an Ethernet frame.</summary>
    public const int FrameHeaderSize = 12;

    /// <summary>Bytes of the largest Ethernet frame: a packet of 64 KiB behind a header with a VLAN tag.</summary>
    public const int LargestFrame = 0x10000 + 18;

    /// <summary>Bytes of the largest message.</summary>
    public const int Largest = FrameHeaderSize + LargestFrame;

    /// <summary>Bytes of the largest text.</summary>
    public const int LargestText = 16 << 10;

    private const byte NeedsChecksum = 1;
    private const byte Tcp4 = 1;
    private const byte Tcp6 = 2;
    private const int TcpHeaderSize = 20;

    /// <summary>Whether a frame may be sent at all: a guest can make others.</summary>
    public static bool CanCarry(ReadOnlySpan<byte> frame, in FrameOffload offload) =>
        frame.Length is >= EthernetFrame.HeaderSize and <= LargestFrame && IsConsistent(offload, frame.Length);

    /// <param name="header"><see cref="FrameHeaderSize"/> bytes.</param>
    public static void WriteFrameHeader(Span<byte> header, in FrameOffload offload)
    {
        header[0] = Frame;
        header[1] = offload.NeedsChecksum ? NeedsChecksum : (byte)0;
        header[2] = offload.Segmentation switch
        {
            FrameFeatures.Tcp4Segmentation => Tcp4,
            FrameFeatures.Tcp6Segmentation => Tcp6,
            _ => 0,
        };
        header[3] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], offload.HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], offload.SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], offload.ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], offload.ChecksumOffset);
    }

    /// <returns>False if the message is no frame, or what it says of the frame cannot be.</returns>
    public static bool TryReadFrame(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> frame, out FrameOffload offload)
    {
        frame = default;
        offload = FrameOffload.None;
        if (message.Length is < FrameHeaderSize + EthernetFrame.HeaderSize or > Largest
            || message[0] != Frame || (message[1] & ~NeedsChecksum) != 0 || message[2] > Tcp6 || message[3] != 0)
        {
            return false;
        }

        offload = new FrameOffload
        {
            NeedsChecksum = message[1] == NeedsChecksum,
            Segmentation = message[2] switch
            {
                Tcp4 => FrameFeatures.Tcp4Segmentation,
                Tcp6 => FrameFeatures.Tcp6Segmentation,
                _ => FrameFeatures.None,
            },
            HeaderLength = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]),
            SegmentSize = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]),
            ChecksumStart = BinaryPrimitives.ReadUInt16LittleEndian(message[8..]),
            ChecksumOffset = BinaryPrimitives.ReadUInt16LittleEndian(message[10..]),
        };
        frame = message[FrameHeaderSize..];
        return IsConsistent(offload, frame.Length);
    }

    private static bool IsConsistent(in FrameOffload offload, int length) =>
        (offload.NeedsChecksum
            ? offload.ChecksumStart + offload.ChecksumOffset + sizeof(ushort) <= length
            : offload is { ChecksumStart: 0, ChecksumOffset: 0 })
        && (offload.Segmentation == FrameFeatures.None
            ? offload.SegmentSize == 0
            : offload is { NeedsChecksum: true, SegmentSize: > 0 } && offload.ChecksumStart + TcpHeaderSize <= length);
}
