using System.Buffers.Binary;
using Strata.Core.Memory;

namespace Strata.Virtio.Tests.Harness;

/// <summary>The driver's side of a split virtqueue in guest memory. VIRTIO 1.2, "Split Virtqueues".</summary>
internal sealed class DriverRing(GuestMemory memory, ulong start, ushort size)
{
    public const ushort Next = 1;
    public const ushort Write = 2;
    public const ushort Indirect = 4;

    public ushort Size => size;

    public ulong Descriptors => start;

    public ulong Available => start + (16UL * size);

    public ulong Used => (Available + 6 + (2UL * size) + 3) & ~3UL;

    public ushort AvailableIndex
    {
        get => Read16(Available + 2);
        set => Write16(Available + 2, value);
    }

    public ushort UsedIndex => Read16(Used + 2);

    /// <summary>used_event: the driver wants an interrupt when the used index passes it.</summary>
    public ushort UsedEvent
    {
        set => Write16(Available + 4 + (2UL * size), value);
    }

    /// <summary>avail_event: the device wants a notification when the available index passes it.</summary>
    public ushort AvailableEvent => Read16(Used + 4 + (8UL * size));

    public ushort AvailableFlags
    {
        set => Write16(Available, value);
    }

    public void Describe(int index, ulong address, uint length, ushort flags = 0, ushort next = 0) =>
        DescribeAt(Descriptors + (16UL * (uint)index), address, length, flags, next);

    public void DescribeAt(ulong place, ulong address, uint length, ushort flags = 0, ushort next = 0)
    {
        Span<byte> at = memory.Slice(place, 16);
        BinaryPrimitives.WriteUInt64LittleEndian(at, address);
        BinaryPrimitives.WriteUInt32LittleEndian(at[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(at[12..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(at[14..], next);
    }

    /// <summary>Makes a chain available.</summary>
    public void Offer(ushort head)
    {
        Write16(Available + 4 + (2UL * (uint)(AvailableIndex % size)), head);
        Thread.MemoryBarrier();
        AvailableIndex++;
    }

    public (uint Head, uint Length) UsedEntry(int index)
    {
        Span<byte> at = memory.Slice(Used + 4 + (8UL * (uint)(index % size)), 8);
        return (BinaryPrimitives.ReadUInt32LittleEndian(at), BinaryPrimitives.ReadUInt32LittleEndian(at[4..]));
    }

    private ushort Read16(ulong at) =>
        Volatile.Read(ref System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(memory.Slice(at, 2))[0]);

    private void Write16(ulong at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(memory.Slice(at, 2), value);
}
