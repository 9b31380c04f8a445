using System.Buffers.Binary;
using Strata.Core.Bus;
using Strata.Core.Memory;

namespace Strata.Virtio.Queue;

/// <summary>
/// A split virtqueue, device side. Virtual I/O Device (VIRTIO) 1.2, "Split Virtqueues". Every index, address and length comes from
/// the guest and is checked: what breaks the rules makes <see cref="IsBroken"/> true, and the queue stands still until a reset.
/// One thread at a time consumes; the owner serialises.
/// </summary>
public sealed partial class VirtQueue(AddressSpace memory)
{
    /// <summary>Largest size offered.</summary>
    public const ushort MaxSize = 256;

    private const ushort FlagNext = 1;
    private const ushort FlagWrite = 2;
    private const ushort FlagIndirect = 4;
    private const ushort AvailableNoInterrupt = 1;
    private const int DescriptorSize = 16;

    private ushort _lastAvailable;
    private ushort _usedIndex;
    private ushort _lastSignalled;

    public ushort Size { get; set; } = MaxSize;

    public ulong DescriptorTable { get; set; }

    public ulong AvailableRing { get; set; }

    public ulong UsedRing { get; set; }

    public ushort Vector { get; set; } = 0xFFFF;

    public bool IsEnabled { get; set; }

    /// <summary>VIRTIO_F_EVENT_IDX was negotiated.</summary>
    public bool UsesEventIndex { get; set; }

    /// <summary>Why the queue stopped, or null.</summary>
    public string? BrokenReason { get; private set; }

    public bool IsBroken => BrokenReason is not null;

    public void Reset()
    {
        Size = MaxSize;
        DescriptorTable = AvailableRing = UsedRing = 0;
        Vector = 0xFFFF;
        IsEnabled = false;
        UsesEventIndex = false;
        BrokenReason = null;
        _lastAvailable = _usedIndex = _lastSignalled = 0;
    }

    /// <summary>Takes the next available chain.</summary>
    /// <returns>Null if there is none or the queue is broken.</returns>
    public DescriptorChain? Take()
    {
        if (!IsEnabled || IsBroken || !TryRead16(AvailableRing + 2, out ushort available))
        {
            return null;
        }

        Thread.MemoryBarrier();
        if (available == _lastAvailable)
        {
            return null;
        }

        if ((ushort)(available - _lastAvailable) > Size)
        {
            return Break($"the available index jumped from {_lastAvailable} to {available}");
        }

        if (!TryRead16(AvailableRing + 4 + (2UL * (uint)(_lastAvailable % Size)), out ushort head))
        {
            return null;
        }

        _lastAvailable++;
        if (UsesEventIndex)
        {
            TryWrite16(UsedRing + 4 + (8UL * Size), _lastAvailable);
            Thread.MemoryBarrier(); // the driver must see it before the next look at its index
        }

        return ReadChain(head);
    }

    /// <summary>Returns a chain to the driver.</summary>
    /// <param name="written">Bytes the device wrote into it.</param>
    public void Complete(DescriptorChain chain, uint written)
    {
        Return(chain, written);
        Publish();
    }

    /// <summary>Puts a chain into the used ring without showing it: several can become visible at once by <see cref="Publish"/>.</summary>
    /// <param name="written">Bytes the device wrote into it.</param>
    public void Return(DescriptorChain chain, uint written)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ulong entry = UsedRing + 4 + (8UL * (uint)(_usedIndex % Size));
        if (!memory.TryBeginWrite(entry, 8, out DmaWrite write))
        {
            Break("the used ring lies outside of RAM");
            return;
        }

        using (write)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(write.Span, chain.Head);
            BinaryPrimitives.WriteUInt32LittleEndian(write.Span[4..], written);
        }

        _usedIndex++;
    }

    /// <summary>Shows the driver every chain that was returned.</summary>
    public void Publish()
    {
        Thread.MemoryBarrier();
        TryWrite16(UsedRing + 2, _usedIndex);
        Thread.MemoryBarrier();
    }

    /// <summary>Whether the driver wants an interrupt for what was completed since the last call.</summary>
    public bool ShouldInterrupt()
    {
        Thread.MemoryBarrier();
        ushort before = _lastSignalled;
        if (before == _usedIndex)
        {
            return false;
        }

        _lastSignalled = _usedIndex;
        if (!UsesEventIndex)
        {
            return TryRead16(AvailableRing, out ushort flags) && (flags & AvailableNoInterrupt) == 0;
        }

        return TryRead16(AvailableRing + 4 + (2UL * Size), out ushort wanted)
            && (ushort)(_usedIndex - wanted - 1) < (ushort)(_usedIndex - before);
    }

    /// <summary>How many chains were taken, modulo 65,536.</summary>
    public ushort TakenIndex => _lastAvailable;

    /// <summary>How many chains were returned, modulo 65,536.</summary>
    public ushort UsedIndex => _usedIndex;

    /// <summary>
    /// Whether the driver has surely looked at everything that was returned up to an index: by used_event, which it sets behind what it
    /// has seen when it wants interrupts again. Without VIRTIO_F_EVENT_IDX it never tells.
    /// </summary>
    /// <param name="usedIndex"><see cref="UsedIndex"/> behind the chain in question, less than 32,768 chains ago.</param>
    public bool HasDriverSeen(ushort usedIndex) =>
        UsesEventIndex && TryRead16(AvailableRing + 4 + (2UL * Size), out ushort wanted) && (short)(wanted - usedIndex) >= 0;

    /// <summary>How many chains the driver has offered, modulo 65,536; null where its ring cannot be read. Changes nothing.</summary>
    public ushort? PeekAvailable() => IsEnabled && memory.TryGetSpan(AvailableRing + 2, 2, out ReadOnlySpan<byte> span)
        ? BinaryPrimitives.ReadUInt16LittleEndian(span)
        : null;

    /// <summary>Asks the driver to ring for the next chain that it offers, although the last ones have not been taken.</summary>
    /// <returns>How many it has offered until then.</returns>
    public ushort WatchAvailable()
    {
        ushort available = PeekAvailable() ?? _lastAvailable;
        if (UsesEventIndex)
        {
            TryWrite16(UsedRing + 4 + (8UL * Size), available);
            Thread.MemoryBarrier(); // the driver must see it before the next look at its index
        }

        return available;
    }

    /// <summary>What the queue is set to and how far it is. Under the owner's lock, as everything here; changes nothing.</summary>
    public QueueInspection Inspect(int index)
    {
        return new QueueInspection
        {
            Index = index,
            Size = Size,
            IsEnabled = IsEnabled,
            DescriptorTable = DescriptorTable,
            AvailableRing = AvailableRing,
            UsedRing = UsedRing,
            Vector = Vector == 0xFFFF ? null : Vector,
            UsesEventIndex = UsesEventIndex,
            AvailableIndex = PeekAvailable(),
            TakenIndex = _lastAvailable,
            UsedIndex = _usedIndex,
            BrokenReason = BrokenReason,
        };
    }

    /// <summary>Follows a chain, into an indirect table where it leads there.</summary>
    private DescriptorChain? ReadChain(ushort head)
    {
        List<GuestBuffer> buffers = [];
        ulong table = DescriptorTable;
        uint tableSize = Size;
        uint index = head;
        bool indirect = false;
        bool seenWritable = false;
        while (true)
        {
            if (index >= tableSize)
            {
                return Break($"descriptor {index} lies outside of a table of {tableSize}");
            }

            if (buffers.Count == Size)
            {
                return Break("a descriptor chain does not end");
            }

            if (!memory.TryGetSpan(table + (index * (ulong)DescriptorSize), DescriptorSize, out ReadOnlySpan<byte> raw))
            {
                return Break("a descriptor lies outside of RAM");
            }

            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(raw);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(raw[8..]);
            ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(raw[12..]);
            ushort next = BinaryPrimitives.ReadUInt16LittleEndian(raw[14..]);
            if ((flags & FlagIndirect) != 0)
            {
                if (indirect || (flags & FlagNext) != 0 || length == 0 || length % DescriptorSize != 0 || length / DescriptorSize > Size)
                {
                    return Break("an indirect descriptor breaks the rules");
                }

                indirect = true;
                table = address;
                tableSize = length / DescriptorSize;
                index = 0;
                continue;
            }

            bool writable = (flags & FlagWrite) != 0;
            if (!writable && seenWritable)
            {
                return Break("a readable buffer follows a writable one");
            }

            seenWritable |= writable;
            buffers.Add(new GuestBuffer(address, length, writable));
            if ((flags & FlagNext) == 0)
            {
                return new DescriptorChain(head, buffers);
            }

            index = next;
        }
    }

    private DescriptorChain? Break(string reason)
    {
        BrokenReason ??= reason;
        return null;
    }

    private bool TryRead16(ulong gpa, out ushort value)
    {
        value = 0;
        if (!memory.TryGetSpan(gpa, 2, out ReadOnlySpan<byte> span))
        {
            Break("a ring lies outside of RAM");
            return false;
        }

        value = BinaryPrimitives.ReadUInt16LittleEndian(span);
        return true;
    }

    private void TryWrite16(ulong gpa, ushort value)
    {
        if (!memory.TryBeginWrite(gpa, 2, out DmaWrite write))
        {
            Break("a ring lies outside of RAM");
            return;
        }

        using (write)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(write.Span, value);
        }
    }
}
