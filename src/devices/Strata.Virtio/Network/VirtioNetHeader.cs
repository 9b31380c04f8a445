using System.Buffers.Binary;
using Strata.Core.Networking;

namespace Strata.Virtio.Network;

/// <summary>
/// The header before every frame. Virtual I/O Device (VIRTIO) 1.2, "Network Device", "Device Operation".
/// <code>
/// 0 flags (8)   1 gso_type (8)   2 hdr_len (16)   4 gso_size (16)   6 csum_start (16)   8 csum_offset (16)   10 num_buffers (16)
/// </code>
/// </summary>
internal static class VirtioNetHeader
{
    /// <summary>Bytes, with VIRTIO_F_VERSION_1.</summary>
    public const int Size = 12;

    private const byte FlagNeedsChecksum = 1;
    private const byte GsoNone = 0;
    private const byte GsoTcp4 = 1;
    private const byte GsoTcp6 = 4;
    private const byte GsoEcn = 0x80;

    /// <summary>Reads a driver's header and checks it against the frame behind it.</summary>
    /// <param name="header"><see cref="Size"/> bytes.</param>
    /// <param name="allowed">What the driver negotiated.</param>
    /// <returns>False if it contradicts the frame or uses what was not negotiated: the frame is to be dropped.</returns>
    public static bool TryRead(ReadOnlySpan<byte> header, int frameLength, FrameFeatures allowed, out FrameOffload offload)
    {
        offload = FrameOffload.None;
        FrameFeatures segmentation = (header[1] & ~GsoEcn) switch
        {
            GsoTcp4 => FrameFeatures.Tcp4Segmentation,
            GsoTcp6 => FrameFeatures.Tcp6Segmentation,
            _ => FrameFeatures.None,
        };
        bool needsChecksum = (header[0] & FlagNeedsChecksum) != 0;
        ushort size = BinaryPrimitives.ReadUInt16LittleEndian(header[4..]);
        ushort start = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        ushort offset = BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
        FrameFeatures used = segmentation | (needsChecksum ? FrameFeatures.PartialChecksum : FrameFeatures.None);
        if ((used & ~allowed) != 0
            || (segmentation == FrameFeatures.None && header[1] != GsoNone)
            || (segmentation != FrameFeatures.None && (size == 0 || !needsChecksum))
            || (needsChecksum && start + offset + 2 > frameLength))
        {
            return false;
        }

        offload = new FrameOffload
        {
            NeedsChecksum = needsChecksum,
            ChecksumStart = needsChecksum ? start : (ushort)0,
            ChecksumOffset = needsChecksum ? offset : (ushort)0,
            Segmentation = segmentation,
            SegmentSize = segmentation == FrameFeatures.None ? (ushort)0 : size,
            HeaderLength = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]),
        };
        return true;
    }

    /// <summary>Writes the header of a frame for the driver.</summary>
    /// <param name="buffers">Descriptor chains that the frame fills.</param>
    public static void Write(Span<byte> header, in FrameOffload offload, int buffers)
    {
        header[0] = offload.NeedsChecksum ? FlagNeedsChecksum : (byte)0;
        header[1] = offload.Segmentation switch
        {
            FrameFeatures.Tcp4Segmentation => GsoTcp4,
            FrameFeatures.Tcp6Segmentation => GsoTcp6,
            _ => GsoNone,
        };
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], offload.HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], offload.SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], offload.ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], offload.ChecksumOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], (ushort)buffers);
    }
}
