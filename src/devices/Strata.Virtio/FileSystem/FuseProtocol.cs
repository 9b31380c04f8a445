namespace Strata.Virtio.FileSystem;

/// <summary>Numbers of the FUSE protocol. Linux, include/uapi/linux/fuse.h, version 7.38.</summary>
/// <remarks>
/// <code>
/// request: 0 length (32)  4 opcode (32)  8 unique (64)  16 node (64)  24 user (32)  28 group (32)  32 process (32)  36 reserved
/// reply:   0 length (32)  4 negative errno (32)  8 unique (64)
/// </code>
/// </remarks>
internal static class FuseProtocol
{
    public const uint MajorVersion = 7;
    public const uint MinorVersion = 38;

    /// <summary>Older drivers send and expect shorter structures.</summary>
    public const uint OldestMinorVersion = 31;

    public const int RequestHeaderSize = 40;
    public const int ReplyHeaderSize = 16;
    public const int AttributesSize = 88;
    public const int EntrySize = 40 + AttributesSize;
    public const int FolderNameSize = 24;
    public const int InitReplySize = 64;

    public const uint FeatureAsyncRead = 1 << 0;
    public const uint FeatureAtomicTruncate = 1 << 3;
    public const uint FeatureExports = 1 << 4;
    public const uint FeatureBigWrites = 1 << 5;
    public const uint FeatureAutoInvalidateData = 1 << 12;
    public const uint FeatureReadFolderPlus = 1 << 13;
    public const uint FeatureReadFolderPlusAuto = 1 << 14;
    public const uint FeatureAsyncDirect = 1 << 15;
    public const uint FeatureParallelFolders = 1 << 18;
    public const uint FeatureMaxPages = 1 << 22;
    public const uint FeatureDropsPrivileges = 1 << 28;

    public const uint SetMode = 1 << 0;
    public const uint SetUser = 1 << 1;
    public const uint SetGroup = 1 << 2;
    public const uint SetSize = 1 << 3;
    public const uint SetAccessTime = 1 << 4;
    public const uint SetModificationTime = 1 << 5;
    public const uint SetHandle = 1 << 6;
    public const uint SetAccessTimeNow = 1 << 7;
    public const uint SetModificationTimeNow = 1 << 8;

    public const int LargestExtendedAttribute = 65536;

    public const uint WriteFromCache = 1 << 0;
    public const uint SynchronizeDataOnly = 1 << 0;

    public const uint OpenedKeepCache = 1 << 1;

    public const uint OpenAccessMask = 3;
    public const uint OpenWriteOnly = 1;
    public const uint OpenReadWrite = 2;
    public const uint OpenExclusive = 0x80;
    public const uint OpenTruncate = 0x200;
    public const uint OpenAppend = 0x400;
    public const uint OpenDataSynchronous = 0x1000;

    public const uint SeekData = 3;
    public const uint SeekHole = 4;
}

/// <summary>FUSE operations that are served; every other one is answered with ENOSYS, which drivers take as "never ask again".</summary>
internal enum FuseOperation : uint
{
    Lookup = 1,
    Forget = 2,
    GetAttributes = 3,
    SetAttributes = 4,
    ReadLink = 5,
    MakeSymbolicLink = 6,
    MakeNode = 8,
    MakeFolder = 9,
    Unlink = 10,
    RemoveFolder = 11,
    Rename = 12,
    Link = 13,
    Open = 14,
    Read = 15,
    Write = 16,
    GetSpace = 17,
    Release = 18,
    Synchronize = 20,
    SetExtendedAttribute = 21,
    GetExtendedAttribute = 22,
    ListExtendedAttributes = 23,
    RemoveExtendedAttribute = 24,
    Initialize = 26,
    OpenFolder = 27,
    ReadFolder = 28,
    ReleaseFolder = 29,
    SynchronizeFolder = 30,
    Create = 35,
    Interrupt = 36,
    Destroy = 38,
    ForgetMany = 42,
    Allocate = 43,
    ReadFolderPlus = 44,
    RenameWithFlags = 45,
    Seek = 46,
    CopyRange = 47,
    SynchronizeAll = 50,
}

/// <summary>A request's header.</summary>
internal readonly record struct FuseRequest(FuseOperation Operation, ulong Unique, ulong Node, Core.Sharing.FileOwner Owner);
