using System.Buffers.Binary;
using Strata.Core.Networking;

namespace Strata.Networking.Frames;

/// <summary>
/// IEEE 802.1Q tags.
/// <code>
/// 12 type 8100   14 priority (3) | drop eligible (1) | VLAN (12)   16 the frame's own type
/// </code>
/// </summary>
internal static class VlanTag
{
    /// <summary>Bytes.</summary>
    public const int Size = 4;

    public const ushort LargestVlan = 4094;
    public const ushort VlanMask = 0xFFF;

    private const int Place = 2 * MacAddress.Size;

    /// <returns>The tag's control field, or null for a frame without one.</returns>
    public static ushort? Find(ReadOnlySpan<byte> frame) =>
        frame.Length >= EthernetFrame.HeaderSize + Size && BinaryPrimitives.ReadUInt16BigEndian(frame[Place..]) == EthernetFrame.TypeVlan
            ? BinaryPrimitives.ReadUInt16BigEndian(frame[(Place + 2)..])
            : null;

    public static byte[] Remove(ReadOnlySpan<byte> frame, ref FrameOffload offload)
    {
        offload = Move(offload, -Size);
        return [.. frame[..Place], .. frame[(Place + Size)..]];
    }

    public static byte[] Insert(ReadOnlySpan<byte> frame, ushort control, ref FrameOffload offload)
    {
        offload = Move(offload, Size);
        return [
            .. frame[..Place], EthernetFrame.TypeVlan >> 8, EthernetFrame.TypeVlan & 0xFF, (byte)(control >> 8), (byte)control,
            .. frame[Place..]];
    }

    private static FrameOffload Move(in FrameOffload offload, int by) => offload with
    {
        ChecksumStart = offload.NeedsChecksum ? (ushort)Math.Max(0, offload.ChecksumStart + by) : (ushort)0,
        HeaderLength = offload.HeaderLength == 0 ? (ushort)0 : (ushort)Math.Max(0, offload.HeaderLength + by),
    };
}
