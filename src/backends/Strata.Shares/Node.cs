namespace Strata.Shares;

/// <summary>What makes a file itself: its volume, number and, because numbers are used again, the time of its birth.</summary>
internal readonly record struct FileKey(uint VolumeMajor, uint VolumeMinor, ulong Inode, long BirthSeconds, uint BirthNanoseconds)
{
    public static FileKey Of(in HostFiles.FileStatus status) =>
        new(status.VolumeMajor, status.VolumeMinor, status.Inode, status.BirthTime.Seconds, status.BirthTime.Nanoseconds);
}

/// <summary>
/// What changes with a file's content, and cannot be set back: the time of its last change, in the host's ticks, and its size.
/// </summary>
internal readonly record struct FileVersion(long ChangeSeconds, uint ChangeNanoseconds, ulong Size)
{
    /// <summary>A file that changed less than this ago may change again without a sign of it: ticks are up to 10 ms long.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(100);

    /// <returns>Null for a file that has changed just now.</returns>
    public static FileVersion? Of(in HostFiles.FileStatus status)
    {
        DateTime changed = DateTime.UnixEpoch.AddSeconds(status.ChangeTime.Seconds).AddTicks(status.ChangeTime.Nanoseconds / 100);
        return DateTime.UtcNow - changed > Quiet
            ? new FileVersion(status.ChangeTime.Seconds, status.ChangeTime.Nanoseconds, status.Size)
            : null;
    }
}

/// <summary>A file that the guest knows. It is held by an O_PATH descriptor, or found again below its parent by its name.</summary>
internal sealed class Node(ulong id, FileKey key, uint kind)
{
    public ulong Id => id;

    public FileKey Key => key;

    /// <summary>The S_IFMT part of its mode; a file cannot change it.</summary>
    public uint Kind => kind;

    /// <summary>Negative while the file is not held.</summary>
    public int Descriptor { get; set; } = -1;

    /// <summary>References that the guest holds.</summary>
    public ulong References { get; set; }

    /// <summary>Nodes that name this one as their parent.</summary>
    public int Children { get; set; }

    /// <summary>Those of them that are in the list of <see cref="Forgotten"/> ones.</summary>
    public int ForgottenChildren { get; set; }

    /// <summary>Open handles: while there are some the file stays held.</summary>
    public int Handles { get; set; }

    /// <summary>What the file was when the guest opened it last; null if that cannot be told from what it is later.</summary>
    public FileVersion? Opened { get; set; }

    /// <summary>Its name was removed: it cannot be found again and stays held.</summary>
    public bool IsOrphan { get; set; }

    public Node? Parent { get; set; }

    public byte[] Name { get; set; } = [];

    /// <summary>Its place among those that the guest has given back, or null.</summary>
    public LinkedListNode<Node>? Forgotten { get; set; }

    /// <summary>Nobody has looked since it could have got one.</summary>
    public bool MayHaveCapability { get; set; } = true;

    /// <summary>Its place among the held nodes that may be let go, or null.</summary>
    public LinkedListNode<Node>? Place { get; set; }
}
