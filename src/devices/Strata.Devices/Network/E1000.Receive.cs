using System.Buffers.Binary;
using Strata.Core.Networking;
using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <content>Frames for the guest. On backends' threads, under the lock.</content>
public sealed partial class E1000
{
    private const int LargestShort = 1518; // with a VLAN tag, without CRC
    private const int VlanTagSize = 4;
    private const int EtherType = 12;

    /// <summary>Only complete frames: what a sender left undone nobody here would do.</summary>
    public FrameFeatures Accepts => FrameFeatures.None;

    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        lock (_gate)
        {
            if (_isStill)
            {
                _isStarved = true;
                return false;
            }

            if (!HasLink || (Get(RCTL) & RctlEnable) == 0 || !IsBusMaster)
            {
                return true;
            }

            byte[] frame = new byte[Math.Max(SmallestFrame, head.Length + payload.Length)];
            head.CopyTo(frame);
            payload.CopyTo(frame.AsSpan(head.Length));
            if (!IsWanted(frame))
            {
                return true;
            }

            if (!TryFill(frame))
            {
                _isStarved = true;
                Count(MPC);
                return false;
            }

            return true;
        }
    }

    /// <summary>Length and address filters.</summary>
    private bool IsWanted(ReadOnlySpan<byte> frame)
    {
        uint control = Get(RCTL);
        bool isTagged = BinaryPrimitives.ReadUInt16BigEndian(frame[EtherType..]) == (Get(VET) & 0xFFFF);
        if (frame.Length > LargestShort && (control & RctlLong) == 0)
        {
            return false;
        }

        if (isTagged && (control & RctlVlanFilter) != 0)
        {
            int id = BinaryPrimitives.ReadUInt16BigEndian(frame[(EtherType + 2)..]) & 0xFFF;
            if ((Get(VFTA + (id / 32 * 4)) & (1u << (id % 32))) == 0)
            {
                return false;
            }
        }

        bool isMulticast = (frame[0] & 1) != 0;
        if (frame[..6].IndexOfAnyExcept((byte)0xFF) < 0)
        {
            Count(BPRC);
            return (control & (RctlBroadcast | RctlMulticastAll)) != 0;
        }

        if ((control & (isMulticast ? RctlMulticastAll : RctlUnicastAll)) != 0)
        {
            return true;
        }

        ulong address = BinaryPrimitives.ReadUInt32LittleEndian(frame) | ((ulong)BinaryPrimitives.ReadUInt16LittleEndian(frame[4..]) << 32);
        for (int at = RAL; at < RaEnd; at += 8)
        {
            ulong filter = Get(at) | ((ulong)Get(at + 4) << 32);
            if (filter >> 63 != 0 && (filter & 0xFFFF_FFFF_FFFF) == address)
            {
                return true;
            }
        }

        return isMulticast && IsInHashTable(frame, control);
    }

    /// <summary>Twelve bits of the address, chosen by RCTL.MO, index a table of 4096.</summary>
    private bool IsInHashTable(ReadOnlySpan<byte> frame, uint control)
    {
        int shift = ((control >> 12) & 3) switch
        {
            0 => 4,
            1 => 3,
            2 => 2,
            _ => 0,
        };
        int hash = ((frame[4] | (frame[5] << 8)) >> shift) & 0xFFF;
        return (Get(MTA + (hash / 32 * 4)) & (1u << (hash % 32))) != 0;
    }

    /// <returns>False if there are too few descriptors.</returns>
    private bool TryFill(byte[] frame)
    {
        ushort special = 0;
        byte extra = RxIgnoreChecksum;
        ReadOnlySpan<byte> rest = frame;
        if ((Get(CTRL) & CtrlVlan) != 0 && BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(EtherType)) == (Get(VET) & 0xFFFF))
        {
            special = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(EtherType + 2));
            extra |= RxVlan;
            byte[] bare = [.. frame.AsSpan(0, EtherType), .. frame.AsSpan(EtherType + VlanTagSize)];
            rest = bare.Length < SmallestFrame ? [.. bare, .. new byte[SmallestFrame - bare.Length]] : bare;
        }

        // The check sequence is no more than its place: backends carry none.
        int length = rest.Length + ((Get(RCTL) & RctlStripCrc) != 0 ? 0 : CrcSize);
        byte[] whole = new byte[length];
        rest.CopyTo(whole);
        rest = whole;
        uint size = Get(RDLEN) / DescriptorSize;
        uint head = Get(RDH);
        uint tail = Get(RDT);
        if (head >= size || tail >= size)
        {
            return false;
        }

        int room = BufferSize();
        uint free = (tail + size - head) % size;
        if (free * (ulong)room < (ulong)length)
        {
            Raise(IcrOverrun);
            return false;
        }

        ulong ring = Get(RDBAL) | ((ulong)Get(RDBAH) << 32);
        while (!rest.IsEmpty)
        {
            ReadOnlySpan<byte> part = rest[..Math.Min(rest.Length, room)];
            rest = rest[part.Length..];
            byte status = (byte)(RxDone | extra | (rest.IsEmpty ? RxEndOfPacket : 0));
            FillDescriptor(ring + (head * DescriptorSize), part, status, special);
            head = (head + 1) % size;
        }

        Put(RDH, head);
        Count(GPRC);
        Count(TPR);
        Count(GORCL, (uint)length);
        Count(MPRC, (frame[0] & 1u) != 0 && frame[0] != 0xFF ? 1u : 0);
        uint left = (tail + size - head) % size;
        bool few = left <= size >> (int)(((Get(RCTL) >> 8) & 3) + 1);
        Raise(IcrReceived | (few ? IcrFewDescriptors : 0));
        return true;
    }

    /// <summary>A descriptor or buffer that is no RAM loses its part: the guest sees a descriptor that was never done.</summary>
    private void FillDescriptor(ulong descriptor, ReadOnlySpan<byte> part, byte status, ushort special)
    {
        if (!_memory.TryGetSpan(descriptor, DescriptorSize, out ReadOnlySpan<byte> old)
            || !_memory.TryWriteBytes(BinaryPrimitives.ReadUInt64LittleEndian(old), part))
        {
            return;
        }

        Span<byte> written = stackalloc byte[8];
        written.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(written, (ushort)part.Length);
        written[4] = status;
        BinaryPrimitives.WriteUInt16LittleEndian(written[6..], special);
        _memory.TryWriteBytes(descriptor + 8, written);
    }

    private int BufferSize()
    {
        uint control = Get(RCTL);
        int code = (int)(control >> 16) & 3;
        return (control & RctlLargeBuffers) != 0 && code != 0 ? 32768 >> code : 2048 >> code;
    }
}
