namespace Strata.Disks.Vmdk;

/// <summary>
/// The layout of sparse extents in VMware's *Virtual Disk Format 5.0* (2011), sections "Hosted Sparse Extents" and
/// "Stream-Optimized Compressed Sparse Extents"; little endian; offsets and sizes are sectors of 512 bytes unless said otherwise.
/// <code>
/// SparseExtentHeader                         monolithicSparse
///   0  magicNumber (32) "KDMV"                 | header | descriptor | rGD | rGTs | GD | GTs | grain | grain | ...
///   4  version (32)
///   8  flags (32)                            streamOptimized
///  12  capacity (64)                           | header | descriptor | marker+grain | marker+grain | ...
///  20  grainSize (64)                          | marker | GT | marker | GT | ... | marker | GD | marker | footer | EOS marker |
///  28  descriptorOffset (64)
///  36  descriptorSize (64)                   Marker
///  44  numGTEsPerGT (32): 512                  0  val (64): a grain's first sector on the disk; else sectors that follow
///  48  rgdOffset (64)                          8  size (32): bytes of compressed data that follow at 12; 0 for other markers
///  56  gdOffset (64)                          12  type (32), when size is 0
///  64  overHead (64): before the first grain
///  72  uncleanShutdown (8)
///  73  "\n", " ", "\r", "\n"
///  77  compressAlgorithm (16)
/// </code>
/// A grain directory (GD) entry is the sector of a grain table (GT); a grain table entry is the sector of a grain. All 32 bits.
/// </summary>
internal static class VmdkLayout
{
    public const int SectorSize = 512;
    public const int HeaderLength = 512;

    public const int Version = 4;
    public const int Flags = 8;
    public const int Capacity = 12;
    public const int GrainSize = 20;
    public const int DescriptorOffset = 28;
    public const int DescriptorSize = 36;
    public const int NumGtesPerGt = 44;
    public const int RgdOffset = 48;
    public const int GdOffset = 56;
    public const int OverHead = 64;
    public const int UncleanShutdown = 72;
    public const int NewLineTest = 73;
    public const int CompressAlgorithm = 77;

    /// <summary>flags: the characters of the new line test are valid.</summary>
    public const uint FlagNewLineTest = 1 << 0;

    /// <summary>flags: the redundant grain directory and tables are kept.</summary>
    public const uint FlagRedundantTables = 1 << 1;

    /// <summary>flags: a grain table entry of 1 stands for a grain of zeros.</summary>
    public const uint FlagZeroedGrains = 1 << 2;

    /// <summary>flags: grains are compressed.</summary>
    public const uint FlagCompressed = 1 << 16;

    /// <summary>flags: grains and tables are preceded by markers.</summary>
    public const uint FlagMarkers = 1 << 17;

    /// <summary>gdOffset: the header at the end of the file, the footer, knows.</summary>
    public const ulong GD_AT_END = ulong.MaxValue;

    /// <summary>compressAlgorithm: RFC 1950 (zlib).</summary>
    public const ushort COMPRESSION_DEFLATE = 1;

    public const uint MARKER_EOS = 0;
    public const uint MARKER_GT = 1;
    public const uint MARKER_GD = 2;
    public const uint MARKER_FOOTER = 3;

    /// <summary>Bytes before the compressed data of a grain.</summary>
    public const int GrainMarkerLength = 12;

    public const int MarkerType = 12;

    public const uint EntryUnallocated = 0;
    public const uint EntryZeroed = 1;

    public const int EntriesPerTable = 512;
    public const int EntrySize = 4;
    public const int TableLength = EntriesPerTable * EntrySize;

    /// <summary>The usual grain: 64 KiB.</summary>
    public const int DefaultGrainSectors = 128;

    /// <summary>Sectors set aside for an embedded descriptor.</summary>
    public const int EmbeddedDescriptorSectors = 20;

    /// <summary>Footer marker, footer and end-of-stream marker.</summary>
    public const int TrailerLength = 3 * SectorSize;

    public static ReadOnlySpan<byte> Magic => "KDMV"u8;

    public static ReadOnlySpan<byte> NewLineCharacters => "\n \r\n"u8;
}
