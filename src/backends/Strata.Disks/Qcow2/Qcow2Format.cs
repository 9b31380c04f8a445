namespace Strata.Disks.Qcow2;

/// <summary>
/// Numbers of the format. All of the image's numbers are big-endian. QEMU, "qcow2 image file format" (docs/interop/qcow2.txt).
/// <code>
/// L1 entry        63 COPIED   55..9 offset of the L2 table
/// L2, standard    63 COPIED   62 = 0   55..9 offset of the cluster   0 reads as zeros (version 3)
/// L2, compressed  62 = 1      61..x further 512-byte sectors   x-1..0 offset in bytes     x = 62 - (cluster_bits - 8)
/// refcount table  63..9 offset of the refcount block
/// </code>
/// </summary>
internal static class Qcow2Format
{
    public const uint Magic = 0x514649FB; // "QFI" 0xFB

    public const ulong Copied = 1UL << 63;
    public const ulong Compressed = 1UL << 62;
    public const ulong ReadsAsZeros = 1;
    public const ulong OffsetMask = 0x00FF_FFFF_FFFF_FE00;
    public const ulong RefcountBlockMask = 0xFFFF_FFFF_FFFF_FE00;

    public const ulong IncompatibleDirty = 1 << 0;
    public const ulong IncompatibleCorrupt = 1 << 1;
    public const ulong IncompatibleDataFile = 1 << 2;
    public const ulong IncompatibleCompression = 1 << 3;
    public const ulong IncompatibleExtendedL2 = 1 << 4;
    public const ulong CompatibleLazyRefcounts = 1 << 0;
    public const ulong AutoclearBitmaps = 1 << 0;

    public const int SmallestClusterBits = 9;
    public const int LargestClusterBits = 21;
    public const int SectorSize = 512;
    public const int EntrySize = 8;

    // Bounds of ours on what an image may ask for; QEMU's are the same or wider.
    public const int LargestL1 = 32 << 20; // bytes
    public const int LargestRefcountTable = 8 << 20; // bytes
    public const int LargestHeader = 64 << 10; // bytes, with its extensions
    public const int LargestBackingName = 1023; // bytes
    public const int MostSnapshots = 65_536;
    public const int LargestSnapshotTable = 16 << 20; // bytes
    public const int LargestSnapshotName = 1023; // bytes
}
