namespace Strata.Disks.Vhd;

/// <summary>
/// The layout of Microsoft's *Virtual Hard Disk Image Format Specification*, version 1.0 (2006); big endian.
/// <code>
/// fixed:    | data of the disk ...                                    | hard disk footer |
///
/// dynamic:  | copy of the footer | dynamic disk header | BAT | block | block | ... | footer |
///              512                 1024                         |
///                                            sector bitmap, padded to 512 | data, Block Size bytes
///
/// Hard disk footer                          Dynamic disk header
///   0  Cookie "conectix"                      0  Cookie "cxsparse"
///   8  Features (32)                          8  Data Offset (64), unused
///  12  File Format Version (32)              16  Table Offset (64)
///  16  Data Offset (64): dynamic header      24  Header Version (32)
///  24  Time Stamp (32): s since 2000-01-01   28  Max Table Entries (32)
///  28  Creator Application, 4 characters     32  Block Size (32)
///  32  Creator Version (32)                  36  Checksum (32)
///  36  Creator Host OS (32)                  40  Parent Unique ID, Parent Time Stamp, Parent Unicode Name,
///  40  Original Size (64)                        eight Parent Locator Entries
///  48  Current Size (64)
///  56  Disk Geometry: cylinders (16), heads (8), sectors per track (8)
///  60  Disk Type (32)
///  64  Checksum (32): ones' complement of the sum of all bytes but these
///  68  Unique Id (128)
///  84  Saved State (8)
/// </code>
/// An entry of the BAT (block allocation table) is the sector at which the block's bitmap starts. A bit of the bitmap, the most
/// significant first, says whether the sector was ever written.
/// </summary>
internal static class VhdLayout
{
    public const int SectorSize = 512;
    public const int FooterLength = 512;
    public const int DynamicHeaderLength = 1024;

    public const int Features = 8;
    public const int FileFormatVersion = 12;
    public const int DataOffset = 16;
    public const int TimeStamp = 24;
    public const int CreatorApplication = 28;
    public const int CreatorVersion = 32;
    public const int CreatorHostOs = 36;
    public const int OriginalSize = 40;
    public const int CurrentSize = 48;
    public const int Cylinders = 56;
    public const int Heads = 58;
    public const int SectorsPerTrack = 59;
    public const int DiskType = 60;
    public const int FooterChecksum = 64;
    public const int UniqueId = 68;

    public const int HeaderDataOffset = 8;
    public const int TableOffset = 16;
    public const int HeaderVersion = 24;
    public const int MaxTableEntries = 28;
    public const int BlockSize = 32;
    public const int HeaderChecksum = 36;

    public const uint TypeFixed = 2;
    public const uint TypeDynamic = 3;
    public const uint TypeDifferencing = 4;

    /// <summary>Features: a bit that is always set.</summary>
    public const uint FeaturesReserved = 2;

    /// <summary>File Format Version and Header Version 1.0.</summary>
    public const uint Version1 = 0x0001_0000;

    /// <summary>BAT: the block was never written.</summary>
    public const uint UnusedEntry = 0xFFFF_FFFF;

    public const int EntrySize = 4;

    public static ReadOnlySpan<byte> FooterCookie => "conectix"u8;

    public static ReadOnlySpan<byte> HeaderCookie => "cxsparse"u8;
}
