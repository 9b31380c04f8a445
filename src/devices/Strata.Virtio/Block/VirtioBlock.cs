using System.Buffers.Binary;
using System.Text;
using Strata.Core.Bus;
using Strata.Core.Storage;
using Strata.Virtio.Queue;

namespace Strata.Virtio.Block;

/// <summary>
/// virtio-blk. Virtual I/O Device (VIRTIO) 1.2, "Block Device".
/// <code>
/// request: 0 type (32)  4 reserved (32)  8 sector (64)   data …   status (8, device-written, last byte)
/// </code>
/// </summary>
public sealed class VirtioBlock : VirtioDevice
{
    private const ulong FeatureSegMax = 1 << 2;
    private const ulong FeatureReadOnly = 1 << 5;
    private const ulong FeatureFlush = 1 << 9;
    private const uint TypeRead = 0;
    private const uint TypeWrite = 1;
    private const uint TypeFlush = 4;
    private const uint TypeGetId = 8;
    private const byte StatusOk = 0;
    private const byte StatusError = 1;
    private const byte StatusUnsupported = 2;
    private const int HeaderSize = 16;
    private const int SectorSize = 512;
    private const int IdSize = 20;

    private readonly IBlockBackend _disk;
    private readonly string _serial;
    private readonly byte[] _configuration = new byte[60];

    /// <param name="serial">Up to 20 ASCII characters, what the guest sees as the disk's serial number.</param>
    public VirtioBlock(AddressSpace memory, IBlockBackend disk, string serial)
        : base(memory, queues: 1, "strata-disk")
    {
        _disk = disk;
        _serial = serial;
        BinaryPrimitives.WriteInt64LittleEndian(_configuration, disk.Sectors);
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(12), VirtQueue.MaxSize - 2); // seg_max
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration.AsSpan(20), SectorSize);
    }

    public override ushort DeviceType => 2;

    public override uint ClassCode => 0x010000;

    public override ulong Features => FeatureSegMax | FeatureFlush | (_disk.IsReadOnly ? FeatureReadOnly : 0);

    public override ReadOnlySpan<byte> Configuration => _configuration;

    protected override void Dispose(bool disposing)
    {
        _disk.Dispose();
        base.Dispose(disposing);
    }

    protected override uint Process(int queue, DescriptorChain chain)
    {
        GuestBuffer last = chain.Buffers[^1];
        if (!last.IsWritable || last.Length == 0 || chain.Buffers[0].IsWritable || chain.Buffers[0].Length < HeaderSize
            || !Memory.TryGetSpan(chain.Buffers[0].Address, HeaderSize, forWriting: false, out Span<byte> header))
        {
            return 0; // no room for a status: nothing can be reported
        }

        uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        uint written = 0;
        byte status;
        try
        {
            status = Execute(type, sector, chain, ref written);
        }
        catch (IOException)
        {
            status = StatusError;
        }

        if (!Memory.TryGetSpan(last.Address + last.Length - 1, 1, forWriting: true, out Span<byte> place))
        {
            return 0;
        }

        place[0] = status;
        return written + 1;
    }

    private byte Execute(uint type, ulong sector, DescriptorChain chain, ref uint written)
    {
        switch (type)
        {
            case TypeRead:
                return Transfer(sector, chain, write: false, ref written);
            case TypeWrite:
                return _disk.IsReadOnly ? StatusError : Transfer(sector, chain, write: true, ref written);
            case TypeFlush:
                _disk.Flush();
                return StatusOk;
            case TypeGetId:
                return GetId(chain, ref written);
            default:
                return StatusUnsupported;
        }
    }

    /// <summary>The data buffers lie between the header and the status byte.</summary>
    private byte Transfer(ulong sector, DescriptorChain chain, bool write, ref uint written)
    {
        ulong limit = (ulong)_disk.Sectors;
        if (sector > limit)
        {
            return StatusError;
        }

        ulong offset = sector * SectorSize;
        ulong left = (limit - sector) * SectorSize;
        for (int i = 1; i < chain.Buffers.Count; i++)
        {
            GuestBuffer buffer = chain.Buffers[i];
            bool isLast = i == chain.Buffers.Count - 1;
            uint length = isLast ? buffer.Length - 1 : buffer.Length;
            if (length == 0)
            {
                continue;
            }

            if (buffer.IsWritable == write || length % SectorSize != 0 || length > left
                || !Memory.TryGetSpan(buffer.Address, length, forWriting: !write, out Span<byte> data))
            {
                return StatusError;
            }

            if (write)
            {
                _disk.Write((long)offset, data);
            }
            else
            {
                _disk.Read((long)offset, data);
                written += length;
            }

            offset += length;
            left -= length;
        }

        return StatusOk;
    }

    private byte GetId(DescriptorChain chain, ref uint written)
    {
        GuestBuffer buffer = chain.Buffers.Count > 2 ? chain.Buffers[1] : default;
        if (!buffer.IsWritable || buffer.Length < IdSize || !Memory.TryGetSpan(buffer.Address, IdSize, forWriting: true, out Span<byte> place))
        {
            return StatusError;
        }

        place.Clear();
        byte[] text = Encoding.ASCII.GetBytes(_serial);
        text.AsSpan(0, Math.Min(text.Length, IdSize)).CopyTo(place);
        written += IdSize;
        return StatusOk;
    }
}
