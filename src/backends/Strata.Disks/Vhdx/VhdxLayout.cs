namespace Strata.Disks.Vhdx;

/// <summary>
/// The layout of *[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format*; little endian.
/// <code>
///      0  file type identifier "vhdxfile", creator in UTF-16
///  64 KB  header 1          the one with the higher sequence number counts
/// 128 KB  header 2
/// 192 KB  region table      says where BAT and metadata lie, at multiples of 1 MB
/// 256 KB  region table, a copy
///   1 MB  log, metadata, BAT and payload blocks, in any order
///
/// Header (4 KB)                 Region table (64 KB)            Region table entry (32)
///   0  Signature "head"           0  Signature "regi"             0  Guid
///   4  Checksum (CRC-32C)         4  Checksum                    16  FileOffset (64)
///   8  SequenceNumber (64)        8  EntryCount (32)             24  Length (32)
///  16  FileWriteGuid             16  entries                     28  Required (bit 0)
///  32  DataWriteGuid
///  48  LogGuid                  Metadata table (64 KB)          Metadata table entry (32)
///  64  LogVersion (16)            0  Signature "metadata"         0  ItemId
///  66  Version (16)              10  EntryCount (16)             16  Offset (32) in the region
///  68  LogLength (32)            32  entries                     20  Length (32)
///  72  LogOffset (64)                                            24  IsUser, IsVirtualDisk, IsRequired (bits)
///
/// BAT entry:   63 .......... 20 | 19 .. 3 | 2 . 0
///              FileOffsetMB     |         | State       after each "chunk ratio" of payload blocks one for a sector bitmap
///
/// Log entry (n * 4 KB)          Data descriptor (32)            Zero descriptor (32)
///   0  Signature "loge"           0  Signature "desc"             0  Signature "zero"
///   4  Checksum                   4  TrailingBytes (4 bytes)      8  ZeroLength (64)
///   8  EntryLength (32)           8  LeadingBytes (8 bytes)      16  FileOffset (64)
///  12  Tail (32)                 16  FileOffset (64)             24  SequenceNumber (64)
///  16  SequenceNumber (64)       24  SequenceNumber (64)
///  24  DescriptorCount (32)                                     Data sector (4 KB)
///  32  LogGuid                                                    0  Signature "data"
///  48  FlushedFileOffset (64)                                     4  SequenceHigh (32)
///  56  LastFileOffset (64)                                        8  bytes 8 to 4091 of the page
///  64  descriptors, padded to 4 KB; then data sectors          4092  SequenceLow (32)
/// </code>
/// </summary>
internal static class VhdxLayout
{
    public const int OneMegabyte = 1 << 20;
    public const int PageSize = 4096;

    public const int CreatorOffset = 8;
    public const int Header1Offset = 64 << 10;
    public const int Header2Offset = 128 << 10;
    public const int RegionTable1Offset = 192 << 10;
    public const int RegionTable2Offset = 256 << 10;

    public const int HeaderLength = 4096;
    public const int TableLength = 64 << 10;
    public const int TableEntryLength = 32;
    public const int MaximumTableEntries = 2047;

    /// <summary>Header, region table and log entry: where the CRC-32C lies.</summary>
    public const int Checksum = 4;

    public const int HeaderSequenceNumber = 8;
    public const int FileWriteGuid = 16;
    public const int DataWriteGuid = 32;
    public const int HeaderLogGuid = 48;
    public const int LogVersion = 64;
    public const int HeaderVersion = 66;
    public const int LogLength = 68;
    public const int LogOffset = 72;

    public const int RegionEntryCount = 8;
    public const int RegionEntries = 16;
    public const int RegionFileOffset = 16;
    public const int RegionLength = 24;
    public const int RegionRequired = 28;

    public const int MetadataEntryCount = 10;
    public const int MetadataEntries = 32;
    public const int MetadataOffset = 16;
    public const int MetadataLength = 20;
    public const int MetadataFlags = 24;
    public const uint MetadataIsVirtualDisk = 1 << 1;
    public const uint MetadataIsRequired = 1 << 2;

    /// <summary>File parameters: the disk has a parent.</summary>
    public const uint HasParent = 1 << 1;

    /// <summary>File parameters: all blocks stay allocated: a fixed disk.</summary>
    public const uint LeaveBlockAllocated = 1 << 0;

    public const int BatEntrySize = 8;
    public const ulong BatStateMask = 7;
    public const int BatOffsetShift = 20;

    public const ulong PAYLOAD_BLOCK_NOT_PRESENT = 0;
    public const ulong PAYLOAD_BLOCK_UNDEFINED = 1;
    public const ulong PAYLOAD_BLOCK_ZERO = 2;
    public const ulong PAYLOAD_BLOCK_UNMAPPED = 3;
    public const ulong PAYLOAD_BLOCK_FULLY_PRESENT = 6;

    /// <summary>Sectors of the disk for which one sector bitmap block would stand.</summary>
    public const long SectorsPerBitmap = 1 << 23;

    public const int LogEntryHeaderLength = 64;
    public const int EntryLength = 8;
    public const int EntryTail = 12;
    public const int EntrySequenceNumber = 16;
    public const int DescriptorCount = 24;
    public const int EntryLogGuid = 32;
    public const int FlushedFileOffset = 48;
    public const int LastFileOffset = 56;

    public const int DescriptorLength = 32;
    public const int TrailingBytes = 4;
    public const int LeadingBytes = 8;
    public const int DescriptorFileOffset = 16;
    public const int DescriptorSequenceNumber = 24;
    public const int LeadingLength = 8;
    public const int TrailingLength = 4;

    public static readonly Guid BatRegion = new("2DC27766-F623-4200-9D64-115E9BFD4A08");
    public static readonly Guid MetadataRegion = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");

    public static readonly Guid FileParameters = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    public static readonly Guid VirtualDiskSize = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    public static readonly Guid VirtualDiskId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    public static readonly Guid LogicalSectorSize = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    public static readonly Guid PhysicalSectorSize = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    public static readonly Guid ParentLocator = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

    public static ReadOnlySpan<byte> FileSignature => "vhdxfile"u8;

    public static ReadOnlySpan<byte> HeaderSignature => "head"u8;

    public static ReadOnlySpan<byte> RegionSignature => "regi"u8;

    public static ReadOnlySpan<byte> MetadataSignature => "metadata"u8;

    public static ReadOnlySpan<byte> LogEntrySignature => "loge"u8;

    public static ReadOnlySpan<byte> DataDescriptorSignature => "desc"u8;

    public static ReadOnlySpan<byte> ZeroDescriptorSignature => "zero"u8;

    public static ReadOnlySpan<byte> DataSectorSignature => "data"u8;
}
