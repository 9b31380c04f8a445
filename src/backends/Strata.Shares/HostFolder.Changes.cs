using Strata.Core.Sharing;

namespace Strata.Shares;

/// <content>What changes names and attributes.</content>
public sealed partial class HostFolder
{
    public Errno SetAttributes(ulong node, in AttributeChange change, out NodeAttributes attributes)
    {
        attributes = default;
        Errno error = Resolve(node, out Node? file, out int descriptor);
        if (error == Errno.None)
        {
            error = IsReadOnly ? Errno.EROFS : Apply(file!, descriptor, change);
        }

        if (error == Errno.None)
        {
            error = GetAttributes(descriptor, out attributes);
        }

        _nodes.Trim();
        return error;
    }

    public Errno MakeNode(ulong parent, ReadOnlySpan<byte> name, uint mode, FileOwner owner, out FileEntry entry)
    {
        uint kind = mode & KindMask;
        if (kind is not (0 or KindFile or KindFifo or KindSocket))
        {
            entry = default;
            return Errno.EPERM;
        }

        return Make(parent, name, owner, mode & FilePermissions, default, kind, out entry);
    }

    public Errno MakeFolder(ulong parent, ReadOnlySpan<byte> name, uint mode, FileOwner owner, out FileEntry entry) =>
        Make(parent, name, owner, mode & FolderPermissions, default, KindFolder, out entry);

    public Errno MakeSymbolicLink(ulong parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, FileOwner owner, out FileEntry entry)
    {
        if (target.IsEmpty || target.Contains((byte)0))
        {
            entry = default;
            return Errno.EINVAL;
        }

        return Make(parent, name, owner, 0, target, KindLink, out entry);
    }

    public Errno Link(ulong node, ulong parent, ReadOnlySpan<byte> name, out FileEntry entry)
    {
        entry = default;
        Errno error = EnterForChange(parent, name, out Node? folder, out int place);
        if (error == Errno.None)
        {
            error = Resolve(node, out Node? file, out int descriptor);
            if (error == Errno.None)
            {
                error = file!.Kind == KindFolder ? Errno.EPERM : HostFiles.Link(descriptor, place, name);
            }
        }

        if (error == Errno.None)
        {
            error = Find(folder!, place, name, out entry);
        }

        _nodes.Trim();
        return error;
    }

    public Errno Unlink(ulong parent, ReadOnlySpan<byte> name) => Remove(parent, name, 0);

    public Errno RemoveFolder(ulong parent, ReadOnlySpan<byte> name) => Remove(parent, name, HostFiles.RemoveFolder);

    public Errno Rename(ulong parent, ReadOnlySpan<byte> name, ulong newParent, ReadOnlySpan<byte> newName, RenameMode mode)
    {
        Errno error = EnterForChange(parent, name, out Node? source, out int from);
        if (error != Errno.None)
        {
            return error;
        }

        error = EnterForChange(newParent, newName, out Node? target, out int to);
        if (error == Errno.None)
        {
            Node? moved = Known(from, name);
            Node? replaced = null;
            if (mode == RenameMode.Replace)
            {
                error = Orphan(to, newName, moved, out replaced);
            }
            else if (mode == RenameMode.Exchange)
            {
                replaced = Known(to, newName);
            }

            error = error == Errno.None ? HostFiles.Rename(from, name, to, newName, mode) : error;
            Settle(error, mode, (source!, name.ToArray(), moved), (target!, newName.ToArray(), replaced));
        }

        _nodes.Trim();
        return error;
    }

    /// <summary>After a rename, or one that failed: each known file is where it is now.</summary>
    private void Settle(
        Errno error, RenameMode mode, (Node Folder, byte[] Name, Node? File) from, (Node Folder, byte[] Name, Node? File) to)
    {
        if (error != Errno.None)
        {
            if (mode == RenameMode.Replace && to.File is not null)
            {
                _nodes.Place(to.File, to.Folder, to.Name);
            }

            return;
        }

        if (from.File is not null)
        {
            _nodes.Place(from.File, to.Folder, to.Name);
        }

        if (mode == RenameMode.Exchange && to.File is not null)
        {
            _nodes.Place(to.File, from.Folder, from.Name);
        }
    }

    private Errno Make(
        ulong parent, ReadOnlySpan<byte> name, FileOwner owner, uint mode, ReadOnlySpan<byte> target, uint kind, out FileEntry entry)
    {
        entry = default;
        Errno error = EnterForChange(parent, name, out Node? folder, out int place);
        if (error == Errno.None)
        {
            error = kind switch
            {
                KindFolder => HostFiles.MakeFolder(place, name, mode),
                KindLink => HostFiles.MakeSymbolicLink(target, place, name),
                _ => HostFiles.MakeNode(place, name, kind | mode),
            };
        }

        if (error == Errno.None)
        {
            error = HostFiles.OpenAt(place, name, HostFiles.PathOnly | HostFiles.NoFollow, 0, out int made);
            if (error == Errno.None)
            {
                GiveTo(owner, place, made, mode);
                error = Adopt(folder!, name, made, out _, out entry);
            }
        }

        _nodes.Trim();
        return error;
    }

    private Errno Apply(Node file, int descriptor, in AttributeChange change)
    {
        Errno error = Errno.None;
        if (change.Size is { } size)
        {
            error = Resize(file, descriptor, change.Handle, size);
            DropCapability(file, descriptor);
        }

        if (error == Errno.None && (change.UserId is not null || change.GroupId is not null))
        {
            error = ChangeOwner(descriptor, change.UserId, change.GroupId);
            DropCapability(file, descriptor);
        }

        if (error == Errno.None && change.Mode is { } mode)
        {
            uint allowed = file.Kind == KindFolder ? FolderPermissions : FilePermissions;
            error = file.Kind == KindLink ? Errno.EOPNOTSUPP : ChangeMode(descriptor, mode & allowed);
        }

        if (error == Errno.None && (change.ChangeAccessTime != TimeChange.Keep || change.ChangeModificationTime != TimeChange.Keep))
        {
            error = change.AccessTime.Nanoseconds > 999_999_999 || change.ModificationTime.Nanoseconds > 999_999_999
                ? Errno.EINVAL
                : HostFiles.ChangeTimes(descriptor, change);
        }

        return error;
    }

    private Errno Resize(Node file, int descriptor, ulong? handle, ulong size)
    {
        if (size > _largestFile)
        {
            return Errno.EFBIG;
        }

        if (handle is { } number
            && _handles.TryGetValue(number, out Handle? open)
            && open.Node == file
            && open is { IsFolder: false, Descriptor: >= 0 })
        {
            return HostFiles.SetSize(open.Descriptor, size);
        }

        if (file.Kind != KindFile)
        {
            return file.Kind == KindFolder ? Errno.EISDIR : Errno.EINVAL;
        }

        Errno error = HostFiles.Reopen(descriptor, HostFiles.WriteOnly | HostFiles.NonBlocking, out int writable);
        if (error == Errno.None)
        {
            error = HostFiles.SetSize(writable, size);
            HostFiles.Close(writable);
        }

        return error;
    }

    private Errno Remove(ulong parent, ReadOnlySpan<byte> name, int flags)
    {
        Errno error = EnterForChange(parent, name, out Node? folder, out int descriptor);
        if (error == Errno.None)
        {
            error = Orphan(descriptor, name, null, out Node? removed);
            if (error == Errno.None)
            {
                error = HostFiles.Unlink(descriptor, name, flags);
                if (error != Errno.None && removed is not null)
                {
                    _nodes.Place(removed, folder!, name);
                }
            }
        }

        _nodes.Trim();
        return error;
    }

    /// <summary>Holds the file behind a name that is about to go, if the guest knows it.</summary>
    /// <param name="except">Not this one: it gets another name.</param>
    private Errno Orphan(int folder, ReadOnlySpan<byte> name, Node? except, out Node? node)
    {
        node = Known(folder, name, out int descriptor);
        if (node is null || node == except)
        {
            if (descriptor >= 0)
            {
                HostFiles.Close(descriptor);
            }

            node = null;
            return Errno.None;
        }

        Errno error = _nodes.MakeOrphan(node, descriptor);
        if (error != Errno.None)
        {
            HostFiles.Close(descriptor);
        }

        return error;
    }

    private Node? Known(int folder, ReadOnlySpan<byte> name)
    {
        Node? node = Known(folder, name, out int descriptor);
        if (descriptor >= 0)
        {
            HostFiles.Close(descriptor);
        }

        return node;
    }

    private Node? Known(int folder, ReadOnlySpan<byte> name, out int descriptor)
    {
        return HostFiles.OpenAt(folder, name, HostFiles.PathOnly | HostFiles.NoFollow, 0, out descriptor) == Errno.None
            && GetStatus(descriptor, out HostFiles.FileStatus status) == Errno.None
            ? _nodes.Find(FileKey.Of(status))
            : null;
    }
}
