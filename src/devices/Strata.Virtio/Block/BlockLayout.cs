namespace Strata.Virtio.Block;

/// <summary>
/// Numbers of virtio-blk. Virtual I/O Device (VIRTIO) 1.2, "Block Device", "Feature bits", "Device configuration layout" and "Device
/// Operation".
/// <code>
/// configuration:  0 capacity (64)   8 size_max (32)   12 seg_max (32)   16 geometry (32)   20 blk_size (32)   24 topology (64)
///                32 writeback (8)  33 unused0 (8)  34 num_queues (16)  36 max_discard_sectors (32)  40 max_discard_seg (32)
///                44 discard_sector_alignment (32)  48 max_write_zeroes_sectors (32)  52 max_write_zeroes_seg (32)
///                56 write_zeroes_may_unmap (8)  57 unused1 (24)
/// request:        0 type (32)  4 reserved (32)  8 sector (64)   data …   status (8, device-written, last byte)
/// segment:        0 sector (64)  8 num_sectors (32)  12 flags (32; bit 0 unmap)
/// </code>
/// </summary>
internal static class BlockLayout
{
    public const ulong VIRTIO_BLK_F_SEG_MAX = 1 << 2;
    public const ulong VIRTIO_BLK_F_RO = 1 << 5;
    public const ulong VIRTIO_BLK_F_FLUSH = 1 << 9;
    public const ulong VIRTIO_BLK_F_CONFIG_WCE = 1 << 11;
    public const ulong VIRTIO_BLK_F_MQ = 1 << 12;
    public const ulong VIRTIO_BLK_F_DISCARD = 1 << 13;
    public const ulong VIRTIO_BLK_F_WRITE_ZEROES = 1 << 14;

    public const int ConfigurationSize = 60;
    public const int SegMax = 12;
    public const int BlkSize = 20;
    public const int Writeback = 32;
    public const int NumQueues = 34;
    public const int MaxDiscardSectors = 36;
    public const int MaxDiscardSeg = 40;
    public const int DiscardSectorAlignment = 44;
    public const int MaxWriteZeroesSectors = 48;
    public const int MaxWriteZeroesSeg = 52;
    public const int WriteZeroesMayUnmap = 56;

    public const uint VIRTIO_BLK_T_IN = 0;
    public const uint VIRTIO_BLK_T_OUT = 1;
    public const uint VIRTIO_BLK_T_FLUSH = 4;
    public const uint VIRTIO_BLK_T_GET_ID = 8;
    public const uint VIRTIO_BLK_T_DISCARD = 11;
    public const uint VIRTIO_BLK_T_WRITE_ZEROES = 13;

    public const byte VIRTIO_BLK_S_OK = 0;
    public const byte VIRTIO_BLK_S_IOERR = 1;
    public const byte VIRTIO_BLK_S_UNSUPP = 2;

    /// <summary>Bytes of a request before its data.</summary>
    public const int HeaderSize = 16;

    /// <summary>Bytes of a segment of a discard or of zeros.</summary>
    public const int SegmentSize = 16;

    public const uint SegmentUnmap = 1;
    public const int SectorSize = 512;

    /// <summary>Bytes of GET_ID's answer.</summary>
    public const int IdSize = 20;
}
