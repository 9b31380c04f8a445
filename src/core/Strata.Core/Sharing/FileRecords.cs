namespace Strata.Core.Sharing;

/// <summary>A point in time of a file, as in stat(2).</summary>
/// <param name="Seconds">Since 1970-01-01 UTC; may be negative.</param>
/// <param name="Nanoseconds">0..999,999,999.</param>
public readonly record struct FileTime(long Seconds, uint Nanoseconds);

/// <summary>What stat(2) tells about a file. Mode holds type and permissions, Linux's numbers.</summary>
public readonly record struct NodeAttributes
{
    public ulong Inode { get; init; }

    /// <summary>Bytes.</summary>
    public ulong Size { get; init; }

    /// <summary>Units of 512 bytes that the file occupies.</summary>
    public ulong Blocks { get; init; }

    public FileTime AccessTime { get; init; }

    public FileTime ModificationTime { get; init; }

    public FileTime ChangeTime { get; init; }

    public uint Mode { get; init; }

    public uint Links { get; init; }

    public uint UserId { get; init; }

    public uint GroupId { get; init; }

    /// <summary>
    /// Device number of a device file, encoded (major &lt;&lt; 8) | minor for small numbers as in Linux's new_encode_dev.
    /// </summary>
    public uint Device { get; init; }

    /// <summary>Preferred size of transfers, bytes.</summary>
    public uint BlockSize { get; init; }
}

/// <summary>A file that the guest holds a reference to.</summary>
/// <param name="Node">Its number in the share; never used for another file.</param>
public readonly record struct FileEntry(ulong Node, NodeAttributes Attributes)
{
    /// <summary>Differs between runs that give out the same numbers, so that a handle of another run is stale; 0 for the root.</summary>
    public uint Generation { get; init; }
}

/// <summary>The guest process that asks, in the guest's numbers.</summary>
public readonly record struct FileOwner(uint UserId, uint GroupId);

/// <summary>A change of one of a file's times.</summary>
public enum TimeChange
{
    Keep,
    Now,
    Value,
}

/// <summary>What to change about a file; null and <see cref="TimeChange.Keep"/> leave things alone.</summary>
public readonly record struct AttributeChange
{
    /// <summary>An open handle of the file, if the guest named one.</summary>
    public ulong? Handle { get; init; }

    /// <summary>Permission bits, 12 of them.</summary>
    public uint? Mode { get; init; }

    public uint? UserId { get; init; }

    public uint? GroupId { get; init; }

    public ulong? Size { get; init; }

    public TimeChange ChangeAccessTime { get; init; }

    public FileTime AccessTime { get; init; }

    public TimeChange ChangeModificationTime { get; init; }

    public FileTime ModificationTime { get; init; }
}

/// <summary>One name in a folder.</summary>
/// <param name="Inode">Inode number.</param>
/// <param name="Offset">Where a later reading goes on behind this name.</param>
/// <param name="Type">Linux's DT_ number.</param>
public readonly record struct FolderName(ulong Inode, ulong Offset, uint Type);

/// <summary>Space of the file system behind a share, as in statvfs(3).</summary>
public readonly record struct FileSystemSpace
{
    /// <summary>Units of <see cref="FragmentSize"/>, as the next two.</summary>
    public ulong Blocks { get; init; }

    public ulong FreeBlocks { get; init; }

    public ulong AvailableBlocks { get; init; }

    public ulong Files { get; init; }

    public ulong FreeFiles { get; init; }

    /// <summary>Bytes.</summary>
    public uint BlockSize { get; init; }

    /// <summary>Bytes.</summary>
    public uint FragmentSize { get; init; }

    /// <summary>Bytes.</summary>
    public uint LongestName { get; init; }
}

/// <summary>How a file is opened.</summary>
[Flags]
public enum OpenMode
{
    Read = 1,
    Write = 2,

    /// <summary>Writes that the guest makes go to the file's end.</summary>
    Append = 4,
    Truncate = 8,

    /// <summary>Creating: fail if the name exists.</summary>
    Exclusive = 16,

    /// <summary>Writes return when they are on stable storage.</summary>
    Synchronous = 32,
}

/// <summary>What a rename does with a name that exists; renameat2(2).</summary>
public enum RenameMode
{
    Replace,
    Keep,
    Exchange,
}
