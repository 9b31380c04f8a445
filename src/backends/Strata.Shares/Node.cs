namespace Strata.Shares;

/// <summary>What makes a file itself: its volume, number and, because numbers are used again, the time of its birth.</summary>
internal readonly record struct FileKey(uint VolumeMajor, uint VolumeMinor, ulong Inode, long BirthSeconds, uint BirthNanoseconds)
{
    public static FileKey Of(in HostFiles.FileStatus status) =>
        new(status.VolumeMajor, status.VolumeMinor, status.Inode, status.BirthTime.Seconds, status.BirthTime.Nanoseconds);
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

    /// <summary>Open handles: while there are some the file stays held.</summary>
    public int Handles { get; set; }

    /// <summary>Its name was removed: it cannot be found again and stays held.</summary>
    public bool IsOrphan { get; set; }

    public Node? Parent { get; set; }

    public byte[] Name { get; set; } = [];

    /// <summary>Its place among the held nodes that may be let go, or null.</summary>
    public LinkedListNode<Node>? Place { get; set; }
}
