namespace Strata.Disks.Vdi;

/// <summary>
/// The layout of a VirtualBox disk image, version 1.1; little endian. Names are those of VirtualBox's VDICore.h
/// (VDIPREHEADER, VDIHEADER1PLUS) without their prefixes.
/// <code>
///   0      PREHEADER  szFileInfo[64]  u32Signature  u32Version
///  72      HEADER     cbHeader  u32Type  fFlags  szComment[256]
/// 340                 offBlocks  offData
/// 348                 LegacyGeometry: cCylinders cHeads cSectors cbSector
/// 364                 u32Dummy
/// 368                 cbDisk (64)  cbBlock  cbBlockExtra  cBlocks  cBlocksAllocated
/// 392                 uuidCreate  uuidModify  uuidLinkage  uuidParentModify   (16 each)
/// 456                 LCHSGeometry: cCylinders cHeads cSectors cbSector
/// ...
/// offBlocks           the block map: one 32-bit entry a block of the disk
/// offData             blocks, each cbBlock bytes; an entry n lies at offData + n * cbBlock
/// </code>
/// </summary>
internal static class VdiLayout
{
    public const uint IMAGE_SIGNATURE = 0xBEDA107F;
    public const uint IMAGE_VERSION = 0x0001_0001;

    /// <summary>u32Type: blocks are placed when they are first written.</summary>
    public const uint IMAGE_TYPE_NORMAL = 1;

    /// <summary>u32Type: every block has its place from the start.</summary>
    public const uint IMAGE_TYPE_FIXED = 2;

    /// <summary>Block map: never written; reads as zeros in an image without a parent.</summary>
    public const uint IMAGE_BLOCK_FREE = 0xFFFF_FFFF;

    /// <summary>Block map: reads as zeros whatever a parent holds.</summary>
    public const uint IMAGE_BLOCK_ZERO = 0xFFFF_FFFE;

    public const int FileInfo = 0;
    public const int FileInfoLength = 64;
    public const int Signature = 64;
    public const int Version = 68;
    public const int HeaderSize = 72;
    public const int Type = 76;
    public const int OffBlocks = 340;
    public const int OffData = 344;
    public const int LegacyGeometrySectorSize = 360;
    public const int DiskSize = 368;
    public const int BlockSize = 376;
    public const int BlockExtra = 380;
    public const int Blocks = 384;
    public const int BlocksAllocated = 388;
    public const int UuidCreate = 392;
    public const int UuidModify = 408;
    public const int UuidLinkage = 424;
    public const int UuidParentModify = 440;
    public const int LchsGeometrySectorSize = 468;

    /// <summary>sizeof(VDIHEADER1PLUS): from cbHeader to the end of LCHSGeometry.</summary>
    public const int Header1PlusLength = 400;

    public const int EntrySize = 4;
    public const int SectorSize = 512;
}
