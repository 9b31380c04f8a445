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
    public long WritableLength => Buffers.Where(buffer => buffer.IsWritable).Sum(buffer => (long)buffer.Length);

    /// <summary>Bytes that the device may read.</summary>
    public long ReadableLength => Buffers.Where(buffer => !buffer.IsWritable).Sum(buffer => (long)buffer.Length);
}
