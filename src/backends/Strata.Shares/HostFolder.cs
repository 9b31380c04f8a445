using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <summary>
/// A folder of the host as a share. Files are reached by descriptors that were opened one component at a time without following
/// symbolic links, so no name, link or race leads out of the folder. Only regular files and folders are opened; device files are
/// never made; set-user-ID bits, and set-group-ID bits of files, are never set.
/// <para>Everything is done as the user who runs the machine.</para>
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
    private const int ForgottenShare = 16; // of the nodes, so many more are remembered for handles
    private const int SmallestHeld = 16;

    private readonly NodeTable _nodes;
    private readonly Dictionary<ulong, Handle> _handles = [];
    private readonly int _mostHandles;
    private readonly ulong _largestFile;
    private readonly uint _userId = HostFiles.UserId;
    private readonly uint _groupId = HostFiles.GroupId;
    private uint _generation = (uint)RandomNumberGenerator.GetInt32(1, int.MaxValue); // node numbers of other runs are not ours
    private ulong _lastHandle;

    private HostFolder(int root, in HostFiles.FileStatus status, bool readOnly, FileOwner? owner, ShareLimits limits)
    {
        IsReadOnly = readOnly;
        _isMapped = owner is not null || _userId != 0;
        _owner = owner ?? default;
        _mostHandles = limits.Handles;
        _largestFile = limits.FileSize;
        _nodes = new NodeTable(limits.Nodes, limits.HeldNodes, limits.Nodes / ForgottenShare);
        _nodes.SetRoot(root, FileKey.Of(status), status.Mode & KindMask);
    }

    public bool IsReadOnly { get; }

    /// <summary>Nodes that the guest knows now, the root among them.</summary>
    internal int NodeCount => _nodes.Count;

    internal int HandleCount => _handles.Count;

    /// <summary>Opens a folder for a guest.</summary>
    /// <param name="owner">
    /// The guest's user and group who stand for those of this process. Null for user 0, or in a process of root for the host's owners.
    /// </param>
    /// <exception cref="IOException">It cannot be used; the message says why and what to do.</exception>
    public static HostFolder Open(string path, bool readOnly = false, FileOwner? owner = null) =>
        Open(path, readOnly, DefaultLimits(), owner);

    internal static HostFolder Open(string path, bool readOnly, ShareLimits limits, FileOwner? owner = null)
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
                return new HostFolder(root, status, readOnly, owner, limits);
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

    public Errno LookupSelf(ulong node, out FileEntry entry)
    {
        entry = default;
        Errno error = Resolve(node, out Node? file, out int descriptor);
        if (error == Errno.None)
        {
            error = GetAttributes(descriptor, out NodeAttributes attributes);
            if (error == Errno.None)
            {
                _nodes.AddReference(file!);
                entry = EntryOf(file!, attributes);
            }
        }

        _nodes.Trim();
        return error;
    }

    public Errno LookupParent(ulong node, out FileEntry entry)
    {
        entry = default;
        ulong parent = node == IFileShare.Root ? node : _nodes.TryGet(node, out Node? file) ? file.Parent?.Id ?? 0 : 0;
        return parent == 0 ? Errno.ESTALE : LookupSelf(parent, out entry);
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
        attributes = error == Errno.None ? Describe(status, descriptor) : default;
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

        NodeAttributes attributes = Describe(status, descriptor);
        error = _nodes.Adopt(folder, name, descriptor, FileKey.Of(status), status.Mode & KindMask, out node);
        entry = error == Errno.None ? EntryOf(node!, attributes) : default;
        return error;
    }

    private FileEntry EntryOf(Node node, in NodeAttributes attributes) =>
        new(node.Id, attributes) { Generation = node.Id == IFileShare.Root ? 0 : _generation };

    private NodeAttributes Describe(in HostFiles.FileStatus status, int descriptor)
    {
        (FileOwner owner, uint mode) = ViewOf(status, descriptor);
        return new()
        {
            Inode = status.Inode,
            Size = status.Size,
            Blocks = status.Blocks,
            AccessTime = Time(status.AccessTime),
            ModificationTime = Time(status.ModificationTime),
            ChangeTime = Time(status.ChangeTime),
            Mode = mode,
            Links = status.Links,
            UserId = owner.UserId,
            GroupId = owner.GroupId,
            Device = (status.DeviceMinor & 0xFF) | (status.DeviceMajor << 8) | ((status.DeviceMinor & ~0xFFu) << 12),
            BlockSize = status.BlockSize,
        };
    }

    private static FileTime Time(in HostFiles.StatusTime time) => new(time.Seconds, time.Nanoseconds);
}
