using System.Buffers.Binary;
using Strata.Core.Bus;
using static Strata.Devices.Network.E1000Registers;

namespace Strata.Devices.Network;

/// <summary>
/// Puts descriptors' parts together to a packet, and does what the guest left to the card: checksums, and the cutting of a TCP segment into
/// frames. The worker's.
/// </summary>
internal sealed class E1000Transmitter
{
    /// <summary>Bytes of the longest packet before it is cut; longer ones are lost.</summary>
    public const int LargestPacket = 0x1_0000 + 256;

    private const int VlanPlace = 12;
    private const int MostSegments = 2048;
    private const byte TcpPush = 1 << 3;
    private const byte TcpFinish = 1 << 0;

    private readonly byte[] _packet = new byte[LargestPacket];

    /// <summary>Of the card's resets, in which the rest is.</summary>
    public int Generation { get; set; }

    /// <summary>Bytes of the packet so far; beyond <see cref="LargestPacket"/> for one that is lost.</summary>
    public int Length { get; set; }

    /// <summary>The last context descriptor, as it was.</summary>
    public byte[] Context { get; set; } = new byte[DescriptorSize];

    /// <summary>POPTS of the packet's first data descriptor.</summary>
    public byte Options { get; set; }

    /// <summary>The packet is to be cut.</summary>
    public bool IsCut { get; set; }

    /// <summary>The packet has begun, and what its first descriptor says is known.</summary>
    public bool HasBegun { get; set; }

    /// <summary>CSO and CSS of a legacy descriptor that asks for a checksum; negative for none.</summary>
    public int LegacyPlace { get; set; } = -1;

    public int LegacyStart { get; set; }

    /// <summary>The VLAN tag to be inserted; negative for none.</summary>
    public int Tag { get; set; } = -1;

    /// <summary>The packet so far, for saving.</summary>
    public Span<byte> Packet => _packet.AsSpan(0, Math.Min(Length, LargestPacket));

    private int TcpStart => Context[4];

    private int HeaderLength => Context[13];

    private int SegmentSize => BinaryPrimitives.ReadUInt16LittleEndian(Context.AsSpan(14));

    private uint ContextCommand => BinaryPrimitives.ReadUInt32LittleEndian(Context.AsSpan(8));

    public void Reset()
    {
        EndPacket();
        Context = new byte[DescriptorSize];
    }

    public void EndPacket()
    {
        (Length, Options, IsCut, HasBegun) = (0, 0, false, false);
        (LegacyPlace, LegacyStart, Tag) = (-1, 0, -1);
    }

    public void Restore(ReadOnlySpan<byte> packet, int length)
    {
        packet.CopyTo(_packet);
        Length = length;
    }

    /// <summary>Takes a descriptor.</summary>
    /// <param name="tags">Tags may be inserted: CTRL.VME.</param>
    /// <returns>Whether a packet is complete.</returns>
    public bool Take(ReadOnlySpan<byte> descriptor, AddressSpace memory, bool tags)
    {
        uint command = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]);
        bool isExtended = (command & TxExtended) != 0;
        if (isExtended && ((command >> 20) & 0xF) == 0)
        {
            Context = descriptor.ToArray();
            return false;
        }

        if (!HasBegun)
        {
            HasBegun = true;
            Options = isExtended ? descriptor[13] : (byte)0;
            IsCut = isExtended && (command & TxSegment) != 0;
        }

        if ((command & TxVlan) != 0 && tags)
        {
            Tag = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[14..]);
        }

        if (!isExtended && (command & TxInsertChecksum) != 0)
        {
            (LegacyPlace, LegacyStart) = (descriptor[10], descriptor[13]);
        }

        Append(BinaryPrimitives.ReadUInt64LittleEndian(descriptor), command & (isExtended ? 0xF_FFFF : 0xFFFFu), memory);
        if ((command & TxEndOfPacket) == 0)
        {
            return false;
        }

        bool isWhole = Length is >= 14 and <= LargestPacket;
        if (!isWhole)
        {
            EndPacket();
        }

        return isWhole;
    }

    /// <summary>The frames of a complete packet.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Frames()
    {
        if (IsCut
            && SegmentSize > 0
            && HeaderLength > TcpStart + 16
            && HeaderLength < Length
            && (Length - HeaderLength) / SegmentSize < MostSegments)
        {
            int payload = Length - HeaderLength;
            for (int at = 0; at < payload; at += SegmentSize)
            {
                int count = Math.Min(SegmentSize, payload - at);
                byte[] frame = new byte[HeaderLength + count];
                _packet.AsSpan(0, HeaderLength).CopyTo(frame);
                _packet.AsSpan(HeaderLength + at, count).CopyTo(frame.AsSpan(HeaderLength));
                Number(frame, at, isLast: at + count == payload);
                yield return Finish(frame);
            }

            yield break;
        }

        yield return Finish(_packet.AsSpan(0, Length).ToArray());
    }

    private void Append(ulong address, uint length, AddressSpace memory)
    {
        if (length == 0 || Length > LargestPacket)
        {
            return; // nothing more, or of a packet that is lost
        }

        if (length > (uint)(LargestPacket - Length) || !memory.TryGetSpan(address, length, out ReadOnlySpan<byte> bytes))
        {
            Length = LargestPacket + 1;
            return;
        }

        bytes.CopyTo(_packet.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>
    /// Headers of a piece: lengths, identification, sequence number, flags. Manual, "TCP Segmentation Data Transmission".
    /// </summary>
    private void Number(Span<byte> frame, int at, bool isLast)
    {
        int ip = Context[0];
        if (ip + 20 > HeaderLength || TcpStart + 20 > HeaderLength)
        {
            return;
        }

        int index = at / SegmentSize;
        if ((ContextCommand & TxInternet) != 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 2)..], (ushort)(frame.Length - ip));
            ushort identification = BinaryPrimitives.ReadUInt16BigEndian(frame[(ip + 4)..]);
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 4)..], (ushort)(identification + index));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(ip + 4)..], (ushort)(frame.Length - ip - 40));
        }

        int transportLength = frame.Length - TcpStart;
        int place = Context[5];
        if ((ContextCommand & TxTcp) != 0)
        {
            uint sequence = BinaryPrimitives.ReadUInt32BigEndian(frame[(TcpStart + 4)..]);
            BinaryPrimitives.WriteUInt32BigEndian(frame[(TcpStart + 4)..], sequence + (uint)at);
            frame[TcpStart + 13] &= (byte)(isLast ? 0xFF : ~(TcpFinish | TcpPush));
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame[(TcpStart + 4)..], (ushort)transportLength);
        }

        if (place + 2 <= frame.Length)
        {
            // The guest's sum of the pseudo header leaves the length out, which differs from piece to piece.
            uint sum = BinaryPrimitives.ReadUInt16BigEndian(frame[place..]) + (uint)transportLength;
            BinaryPrimitives.WriteUInt16BigEndian(frame[place..], (ushort)((sum & 0xFFFF) + (sum >> 16)));
        }
    }

    /// <summary>Checksums, then the VLAN tag, which none of the offsets counts.</summary>
    private byte[] Finish(byte[] frame)
    {
        if ((Options & OptionTransportChecksum) != 0)
        {
            InternetChecksum.Insert(frame, TcpStart, Context[5], BinaryPrimitives.ReadUInt16LittleEndian(Context.AsSpan(6)));
        }

        if ((Options & OptionInternetChecksum) != 0)
        {
            int place = Context[1];
            if (place + 2 <= frame.Length)
            {
                (frame[place], frame[place + 1]) = (0, 0);
            }

            InternetChecksum.Insert(frame, Context[0], place, BinaryPrimitives.ReadUInt16LittleEndian(Context.AsSpan(2)));
        }

        if (LegacyPlace >= 0)
        {
            InternetChecksum.Insert(frame, LegacyStart, LegacyPlace, 0);
        }

        return Tag < 0 ? frame : [.. frame.AsSpan(0, VlanPlace), 0x81, 0x00, (byte)(Tag >> 8), (byte)Tag, .. frame.AsSpan(VlanPlace)];
    }
}
