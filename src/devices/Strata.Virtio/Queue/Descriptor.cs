namespace Strata.Virtio.Queue;

/// <summary>One guest buffer of a chain.</summary>
/// <param name="Address">Guest-physical address.</param>
/// <param name="Length">Bytes.</param>
/// <param name="IsWritable">The device writes it; otherwise it reads it.</param>
public readonly record struct GuestBuffer(ulong Address, uint Length, bool IsWritable);

/// <summary>A chain of buffers that the driver made available.</summary>
/// <param name="Head">Index of its first descriptor: what goes into the used ring.</param>
public sealed record DescriptorChain(ushort Head, IReadOnlyList<GuestBuffer> Buffers)
{
    /// <summary>Bytes that the device may write.</summary>
    public long WritableLength => LengthOf(isWritable: true);

    /// <summary>Bytes that the device may read.</summary>
    public long ReadableLength => LengthOf(isWritable: false);

    private long LengthOf(bool isWritable)
    {
        long length = 0;
        for (int i = 0; i < Buffers.Count; i++)
        {
            length += Buffers[i].IsWritable == isWritable ? Buffers[i].Length : 0;
        }

        return length;
    }
}
