using System.Diagnostics.CodeAnalysis;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <summary>
/// A folder of the host as a share. Files are reached by descriptors that were opened one component at a time without following
/// symbolic links, so no name, link or race leads out of the folder. Only regular files and folders are opened; device files are
/// never made; set-user-ID bits, and set-group-ID bits of files, are never set.
/// <para>Owners: everything is done as the user who runs the machine. A user other than root appears to the guest as user 0, and so
/// do files made for any guest user; root's share has the host's owners and files belong to the guest's user who made them.</para>
/// </summary>
public sealed partial class HostFolder : IFileShare
{
    private const uint KindMask = 0xF000;
    private const uint KindFifo = 0x1000;
    private const uint KindFolder = 0x4000;
    private const uint KindFile = 0x8000;
    private const uint KindLink = 0xA000;
    private const uint KindSocket = 0xC000;
    private const uint SetGroupId = 0x400;
    private const uint FilePermissions = 0x3FF; // and the sticky bit
    private const uint FolderPermissions = 0x7FF; // and set-group-ID: files inside inherit the group
    private const int DescriptorShare = 8; // a share takes this part of the process's descriptors, three times
    private const int LargestHeld = 16384;
    private const int SmallestHeld = 16;

    private readonly NodeTable _nodes;
    private readonly Dictionary<ulong, Handle> _handles = [];
    private readonly int _mostHandles;
    private readonly ulong _largestFile;
    private readonly uint _userId = HostFiles.UserId;
    private readonly uint _groupId = HostFiles.GroupId;
    private ulong _lastHandle;

    private HostFolder(int root, in HostFiles.FileStatus status, bool readOnly, ShareLimits limits)
    {
        IsReadOnly = readOnly;
        _mostHandles = limits.Handles;
        _largestFile = limits.FileSize;
        _nodes = new NodeTable(limits.Nodes, limits.HeldNodes);
        _nodes.SetRoot(root, FileKey.Of(status), status.Mode & KindMask);
    }

    public bool IsReadOnly { get; }

    /// <summary>Nodes that the guest knows now, the root among them.</summary>
    internal int NodeCount => _nodes.Count;

    internal int HandleCount => _handles.Count;

    private bool RunsAsRoot => _userId == 0;

    /// <summary>Opens a folder for a guest.</summary>
    /// <exception cref="IOException">It cannot be used; the message says why and what to do.</exception>
    public static HostFolder Open(string path, bool readOnly = false) => Open(path, readOnly, DefaultLimits());

    internal static HostFolder Open(string path, bool readOnly, ShareLimits limits)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Errno error = HostFiles.Open(path, HostFiles.PathOnly | HostFiles.FolderOnly, out int root);
        if (error != Errno.None)
        {
            string reason = error switch
            {
                Errno.ENOENT => "does not exist; make it first",
                Errno.ENOTDIR => "is no folder; share the folder that holds it",
                Errno.EACCES => "may not be entered by you; change its permissions",
                _ => $"cannot be opened ({error}); check the path",
            };
            throw new IOException($"The shared folder {path} {reason}.");
        }

        error = HostFiles.Reopen(root, HostFiles.ReadOnly | HostFiles.FolderOnly, out int probe);
        if (error == Errno.None)
        {
            HostFiles.Close(probe);
            error = HostFiles.GetStatus(root, out HostFiles.FileStatus status);
            if (error == Errno.None)
            {
                return new HostFolder(root, status, readOnly, limits);
            }
        }

        HostFiles.Close(root);
        throw new IOException(error == Errno.EACCES
            ? $"The shared folder {path} may not be read by you; change its permissions."
            : $"The shared folder {path} cannot be read ({error}); sharing needs /proc to be mounted on the host.");
    }

    public Errno Lookup(ulong parent, ReadOnlySpan<byte> name, out FileEntry entry)
    {
        entry = default;
        Errno error = EnterFolder(parent, name, out Node? folder, out int descriptor);
        if (error == Errno.None)
        {
            error = Find(folder!, descriptor, name, out entry);
        }

        _nodes.Trim();
        return error;
    }

    public void Forget(ulong node, ulong count) => _nodes.Forget(node, count);

    public Errno GetAttributes(ulong node, out NodeAttributes attributes)
    {
        attributes = default;
        Errno error = Resolve(node, out _, out int descriptor);
        if (error == Errno.None)
        {
            error = GetAttributes(descriptor, out attributes);
        }

        _nodes.Trim();
        return error;
    }

    public Errno ReadLink(ulong node, Span<byte> target, out int length)
    {
        length = 0;
        Errno error = Resolve(node, out Node? link, out int descriptor);
        if (error == Errno.None)
        {
            error = link!.Kind == KindLink ? HostFiles.ReadLink(descriptor, target, out length) : Errno.EINVAL;
        }

        _nodes.Trim();
        return error;
    }

    public Errno GetSpace(out FileSystemSpace space)
    {
        space = default;
        Errno error = Resolve(IFileShare.Root, out _, out int descriptor);
        return error == Errno.None ? HostFiles.GetSpace(descriptor, out space) : error;
    }

    public void Reset()
    {
        foreach (Handle handle in _handles.Values)
        {
            CloseDescriptor(handle);
        }

        _handles.Clear();
        _nodes.Clear();
    }

    public void Dispose()
    {
        Reset();
        _nodes.Dispose();
    }

    private static ShareLimits DefaultLimits()
    {
        int held = (int)Math.Clamp(HostFiles.DescriptorLimit / DescriptorShare, SmallestHeld, LargestHeld);
        return new ShareLimits(Nodes: 1 << 20, held, held, HostFiles.LargestFile);
    }

    /// <summary>A single component that leads nowhere else.</summary>
    private static Errno CheckName(ReadOnlySpan<byte> name) => name switch
    {
        { Length: > HostFiles.LongestName } => Errno.ENAMETOOLONG,
        [] or [(byte)'.'] or [(byte)'.', (byte)'.'] => Errno.EINVAL,
        _ => name.ContainsAny((byte)'/', (byte)0) ? Errno.EINVAL : Errno.None,
    };

    private static Errno GetStatus(int descriptor, out HostFiles.FileStatus status) => HostFiles.GetStatus(descriptor, out status);

    private Errno GetAttributes(int descriptor, out NodeAttributes attributes)
    {
        Errno error = GetStatus(descriptor, out HostFiles.FileStatus status);
        attributes = error == Errno.None ? Describe(status) : default;
        return error;
    }

    private Errno Resolve(ulong id, [NotNullWhen(true)] out Node? node, out int descriptor)
    {
        descriptor = -1;
        return _nodes.TryGet(id, out node) ? _nodes.Resolve(node, out descriptor) : Errno.ESTALE;
    }

    private Errno EnterFolder(ulong id, ReadOnlySpan<byte> name, out Node? folder, out int descriptor)
    {
        folder = null;
        descriptor = -1;
        Errno error = CheckName(name);
        if (error == Errno.None)
        {
            error = Resolve(id, out folder, out descriptor);
        }

        return error == Errno.None && folder!.Kind != KindFolder ? Errno.ENOTDIR : error;
    }

    /// <summary>As <see cref="EnterFolder"/>, for a change of the folder.</summary>
    private Errno EnterForChange(ulong id, ReadOnlySpan<byte> name, out Node? folder, out int descriptor)
    {
        Errno error = EnterFolder(id, name, out folder, out descriptor);
        return error == Errno.None && IsReadOnly ? Errno.EROFS : error;
    }

    private Errno Find(Node folder, int descriptor, ReadOnlySpan<byte> name, out FileEntry entry)
    {
        entry = default;
        Errno error = HostFiles.OpenAt(descriptor, name, HostFiles.PathOnly | HostFiles.NoFollow, 0, out int found);
        return error == Errno.None ? Adopt(folder, name, found, out _, out entry) : error;
    }

    /// <summary>Makes an entry of a file that was just opened with O_PATH; takes the descriptor over.</summary>
    private Errno Adopt(Node folder, ReadOnlySpan<byte> name, int descriptor, out Node? node, out FileEntry entry)
    {
        entry = default;
        node = null;
        Errno error = GetStatus(descriptor, out HostFiles.FileStatus status);
        if (error != Errno.None)
        {
            HostFiles.Close(descriptor);
            return error;
        }

        error = _nodes.Adopt(folder, name, descriptor, FileKey.Of(status), status.Mode & KindMask, out node);
        entry = error == Errno.None ? new FileEntry(node!.Id, Describe(status)) : default;
        return error;
    }

    private NodeAttributes Describe(in HostFiles.FileStatus status) => new()
    {
        Inode = status.Inode,
        Size = status.Size,
        Blocks = status.Blocks,
        AccessTime = Time(status.AccessTime),
        ModificationTime = Time(status.ModificationTime),
        ChangeTime = Time(status.ChangeTime),
        Mode = status.Mode,
        Links = status.Links,
        UserId = ToGuest(status.UserId, _userId),
        GroupId = ToGuest(status.GroupId, _groupId),
        Device = (status.DeviceMinor & 0xFF) | (status.DeviceMajor << 8) | ((status.DeviceMinor & ~0xFFu) << 12),
        BlockSize = status.BlockSize,
    };

    private uint ToGuest(uint id, uint own) => !RunsAsRoot && id == own ? 0 : id;

    private uint ToHost(uint id, uint own) => !RunsAsRoot && id == 0 ? own : id;

    private static FileTime Time(in HostFiles.StatusTime time) => new(time.Seconds, time.Nanoseconds);
}
