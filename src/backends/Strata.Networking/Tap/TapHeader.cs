using System.Buffers.Binary;
using Strata.Core.Networking;

namespace Strata.Networking.Tap;

/// <summary>
/// The header before every frame of a tap with IFF_VNET_HDR. Linux kernel, "Universal TUN/TAP device driver"; struct virtio_net_hdr.
/// <code>
/// 0 flags (8)   1 gso_type (8)   2 hdr_len (16)   4 gso_size (16)   6 csum_start (16)   8 csum_offset (16)
/// </code>
/// </summary>
internal static class TapHeader
{
    /// <summary>Bytes.</summary>
    public const int Size = 10;

    private const byte NeedsChecksum = 1;
    private const byte Tcp4 = 1;
    private const byte Tcp6 = 4;
    private const byte CongestionNotification = 0x80;

    public static void Write(Span<byte> header, in FrameOffload offload)
    {
        header[0] = offload.NeedsChecksum ? NeedsChecksum : (byte)0;
        header[1] = offload.Segmentation switch
        {
            FrameFeatures.Tcp4Segmentation => Tcp4,
            FrameFeatures.Tcp6Segmentation => Tcp6,
            _ => 0,
        };
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], offload.HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], offload.SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], offload.ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], offload.ChecksumOffset);
    }

    public static FrameOffload Read(ReadOnlySpan<byte> header)
    {
        bool needsChecksum = (header[0] & NeedsChecksum) != 0;
        FrameFeatures segmentation = (header[1] & ~CongestionNotification) switch
        {
            Tcp4 => FrameFeatures.Tcp4Segmentation,
            Tcp6 => FrameFeatures.Tcp6Segmentation,
            _ => FrameFeatures.None,
        };
        return new FrameOffload
        {
            NeedsChecksum = needsChecksum,
            HeaderLength = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]),
            Segmentation = segmentation,
            SegmentSize = segmentation == FrameFeatures.None ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(header[4..]),
            ChecksumStart = needsChecksum ? BinaryPrimitives.ReadUInt16LittleEndian(header[6..]) : (ushort)0,
            ChecksumOffset = needsChecksum ? BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) : (ushort)0,
        };
    }
}
