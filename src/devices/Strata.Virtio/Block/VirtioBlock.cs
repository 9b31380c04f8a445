using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.Storage;
using Strata.Virtio.Queue;
using static Strata.Virtio.Block.BlockLayout;

namespace Strata.Virtio.Block;

/// <summary>
/// virtio-blk with one request queue or several, each with a worker. Virtual I/O Device (VIRTIO) 1.2, "Block Device".
/// <para>Cache: a driver that takes neither FLUSH nor CONFIG_WCE gets every write on stable storage before its completion; with FLUSH
/// writes wait for the next flush; with CONFIG_WCE the driver chooses, by the writeback field.</para>
/// </summary>
public sealed partial class VirtioBlock : VirtioDevice<VirtioBlockState>
{
    private const uint LargestDiscard = 1 << 21; // sectors of a segment: 1 GiB
    private const int MostDiscards = 16;         // segments of a request
    private const uint LargestZeros = 1 << 17;   // sectors: 64 MiB, as they may have to be written
    private const uint HoleAlignment = 8;        // sectors: hosts' file systems free no less than 4 KiB
    private const int ZeroPiece = 64 << 10;

    private readonly IBlockBackend _disk;
    private readonly string _serial;
    private readonly byte[] _configuration = new byte[ConfigurationSize];
    private volatile bool _isWriteback = true; // vCPU threads write it, as the field of the configuration
    private volatile bool _mayChooseCache;     // CONFIG_WCE was negotiated; written under Hold

    /// <param name="serial">Up to 20 ASCII characters, what the guest sees as the disk's serial number.</param>
    /// <param name="queues">1..<see cref="VirtioDevice.MostParallelQueues"/>; more than one are offered as VIRTIO_BLK_F_MQ.</param>
    public VirtioBlock(AddressSpace memory, IBlockBackend disk, string serial, int queues = 1)
        : base(memory, queues, "strata-disk", workers: queues)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(queues, MostParallelQueues);
        _disk = disk;
        _serial = serial;
        BinaryPrimitives.WriteInt64LittleEndian(_configuration, disk.Sectors);
        Put(SegMax, VirtQueue.MaxSize - 2);
        Put(BlkSize, SectorSize);
        _configuration[Writeback] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(_configuration.AsSpan(NumQueues), (ushort)queues);
        Put(MaxDiscardSectors, LargestDiscard);
        Put(MaxDiscardSeg, MostDiscards);
        Put(DiscardSectorAlignment, HoleAlignment);
        Put(MaxWriteZeroesSectors, LargestZeros);
        Put(MaxWriteZeroesSeg, 1);
        _configuration[WriteZeroesMayUnmap] = 1;
    }

    public override ushort DeviceType => 2;

    public override uint ClassCode => 0x010000;

    public override ulong Features => VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_CONFIG_WCE
        | (Queues.Count > 1 ? VIRTIO_BLK_F_MQ : 0)
        | (_disk.IsReadOnly ? VIRTIO_BLK_F_RO : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES);

    public override ReadOnlySpan<byte> Configuration => _configuration;

    public override void WriteConfiguration(int offset, AccessWidth width, ulong value)
    {
        if (offset == Writeback && width == AccessWidth.Byte && value <= 1 && _mayChooseCache)
        {
            SetWriteback(value == 1);
        }
    }

    protected override void OnNegotiated(ulong features)
    {
        _mayChooseCache = (features & VIRTIO_BLK_F_CONFIG_WCE) != 0;
        SetWriteback((features & VIRTIO_BLK_F_FLUSH) != 0);
    }

    protected override void OnDriverChanged()
    {
        if (DriverFeatures == 0)
        {
            _mayChooseCache = false;
            SetWriteback(true);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _disk.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>
    /// A chain's readable part is header and data, its writable part data and status, wherever the driver cuts them into buffers
    /// ("Message Framing").
    /// </summary>
    protected override uint Process(int queue, DescriptorChain chain)
    {
        ChainReader reader = new(Memory, chain);
        Span<byte> header = stackalloc byte[HeaderSize];
        if (!TryFindStatus(chain, out ulong place) || !reader.TryRead(header, out int count) || count < HeaderSize)
        {
            return 0; // no room for a status: nothing can be reported
        }

        uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        uint written = 0;
        byte status;
        try
        {
            status = Execute(type, sector, chain, ref reader, ref written);
        }
        catch (IOException error)
        {
            LogFailed(Log, sector, error.Message);
            status = VIRTIO_BLK_S_IOERR;
        }

        return Memory.TryWriteBytes(place, [status]) ? written + 1 : 0;
    }

    /// <summary>The status is the last byte of the writable part; buffers behind it may be empty.</summary>
    private bool TryFindStatus(DescriptorChain chain, out ulong place)
    {
        int index = chain.Buffers.Count - 1;
        while (index > 0 && chain.Buffers[index].Length == 0)
        {
            index--;
        }

        GuestBuffer last = chain.Buffers[index];
        place = last.Address + last.Length - 1;
        return last.IsWritable && last.Length > 0 && Memory.IsWritableRam(place, 1);
    }

    /// <param name="reader">Stands behind the header.</param>
    private byte Execute(uint type, ulong sector, DescriptorChain chain, ref ChainReader reader, ref uint written)
    {
        switch (type)
        {
            case VIRTIO_BLK_T_IN:
                return Read(sector, chain, ref written);
            case VIRTIO_BLK_T_OUT:
                return _disk.IsReadOnly ? VIRTIO_BLK_S_IOERR : Stabilize(Write(sector, chain, ref reader));
            case VIRTIO_BLK_T_FLUSH:
                _disk.Flush();
                return VIRTIO_BLK_S_OK;
            case VIRTIO_BLK_T_GET_ID:
                return GetId(chain, ref written);
            case VIRTIO_BLK_T_DISCARD when (DriverFeatures & VIRTIO_BLK_F_DISCARD) != 0:
                return Clear(ref reader, isDiscard: true);
            case VIRTIO_BLK_T_WRITE_ZEROES when (DriverFeatures & VIRTIO_BLK_F_WRITE_ZEROES) != 0:
                return Stabilize(Clear(ref reader, isDiscard: false));
            default:
                return VIRTIO_BLK_S_UNSUPP;
        }
    }

    /// <summary>Through a writethrough cache a write is complete when it is on stable storage.</summary>
    private byte Stabilize(byte status)
    {
        if (status == VIRTIO_BLK_S_OK && !_isWriteback)
        {
            _disk.Flush();
        }

        return status;
    }

    /// <summary>A discard or zeros: every segment is checked before the first is done.</summary>
    private byte Clear(ref ChainReader reader, bool isDiscard)
    {
        int most = SegmentSize * (isDiscard ? MostDiscards : 1);
        Span<byte> bytes = stackalloc byte[(SegmentSize * MostDiscards) + 1]; // a byte more, to see what is too long
        if (!reader.TryRead(bytes, out int count) || count == 0 || count % SegmentSize != 0 || count > most)
        {
            return VIRTIO_BLK_S_IOERR;
        }

        ReadOnlySpan<byte> segments = bytes[..count];
        for (int at = 0; at < segments.Length; at += SegmentSize)
        {
            if (CheckSegment(segments[at..], isDiscard) is var status and not VIRTIO_BLK_S_OK)
            {
                return status;
            }
        }

        for (int at = 0; at < segments.Length; at += SegmentSize)
        {
            ReadOnlySpan<byte> segment = segments[at..];
            long offset = BinaryPrimitives.ReadInt64LittleEndian(segment) * SectorSize;
            long length = BinaryPrimitives.ReadUInt32LittleEndian(segment[8..]) * (long)SectorSize;
            if (isDiscard)
            {
                _disk.Discard(offset, length);
            }
            else if (BinaryPrimitives.ReadUInt32LittleEndian(segment[12..]) == SegmentUnmap)
            {
                _disk.WriteZeros(offset, length);
            }
            else
            {
                Overwrite(offset, length);
            }
        }

        return VIRTIO_BLK_S_OK;
    }

    private byte CheckSegment(ReadOnlySpan<byte> segment, bool isDiscard)
    {
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(segment);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(segment[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(segment[12..]);
        if ((flags & ~(isDiscard ? 0 : SegmentUnmap)) != 0)
        {
            return VIRTIO_BLK_S_UNSUPP;
        }

        ulong limit = (ulong)_disk.Sectors;
        return count <= (isDiscard ? LargestDiscard : LargestZeros) && sector <= limit && count <= limit - sector
            ? VIRTIO_BLK_S_OK
            : VIRTIO_BLK_S_IOERR;
    }

    /// <summary>Zeros that keep their place on the host.</summary>
    private void Overwrite(long offset, long length)
    {
        byte[] zeros = new byte[(int)Math.Min(length, ZeroPiece)];
        for (long end = offset + length; offset < end; offset += zeros.Length)
        {
            _disk.Write(offset, zeros.AsSpan(0, (int)Math.Min(zeros.Length, end - offset)));
        }
    }

    private byte Read(ulong sector, DescriptorChain chain, ref uint written)
    {
        long length = chain.WritableLength - 1;
        if (chain.ReadableLength != HeaderSize || !IsInside(sector, length))
        {
            return VIRTIO_BLK_S_IOERR;
        }

        ChainWriter writer = new(Memory, chain);
        if (!SectorTransfer.TryRead(_disk, (long)sector * SectorSize, length, ref writer))
        {
            return VIRTIO_BLK_S_IOERR;
        }

        written = writer.Taken;
        return VIRTIO_BLK_S_OK;
    }

    private byte Write(ulong sector, DescriptorChain chain, ref ChainReader reader)
    {
        long length = chain.ReadableLength - HeaderSize;
        return chain.WritableLength == 1 && IsInside(sector, length)
            && SectorTransfer.TryWrite(_disk, (long)sector * SectorSize, length, ref reader)
            ? VIRTIO_BLK_S_OK
            : VIRTIO_BLK_S_IOERR;
    }

    /// <param name="length">Bytes, not below zero.</param>
    private bool IsInside(ulong sector, long length)
    {
        ulong limit = (ulong)_disk.Sectors;
        return length % SectorSize == 0 && sector <= limit && (ulong)length / SectorSize <= limit - sector;
    }

    private byte GetId(DescriptorChain chain, ref uint written)
    {
        Span<byte> id = stackalloc byte[IdSize];
        id.Clear();
        byte[] text = Encoding.ASCII.GetBytes(_serial);
        text.AsSpan(0, Math.Min(text.Length, IdSize)).CopyTo(id);
        ChainWriter writer = new(Memory, chain);
        if (chain.WritableLength <= IdSize || !writer.TryWrite(id))
        {
            return VIRTIO_BLK_S_IOERR;
        }

        written = writer.Taken;
        return VIRTIO_BLK_S_OK;
    }

    private void SetWriteback(bool isWriteback)
    {
        _isWriteback = isWriteback;
        _configuration[Writeback] = isWriteback ? (byte)1 : (byte)0;
    }

    private void Put(int field, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(field), value);
}
