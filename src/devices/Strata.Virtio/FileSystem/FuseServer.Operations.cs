using Strata.Core.Sharing;

namespace Strata.Virtio.FileSystem;

/// <content>The operations whose answers are built in the reply.</content>
internal sealed partial class FuseServer
{
    private Errno Execute(in FuseRequest request, FuseArguments arguments)
    {
        switch (request.Operation)
        {
            case FuseOperation.Lookup:
                return Lookup(request, arguments);
            case FuseOperation.GetAttributes:
                return Attributes(share.GetAttributes(request.Node, out NodeAttributes attributes), attributes);
            case FuseOperation.SetAttributes:
                return SetAttributes(request, arguments);
            case FuseOperation.ReadLink:
                return ReadLink(request);
            case FuseOperation.MakeSymbolicLink
                or FuseOperation.MakeNode
                or FuseOperation.MakeFolder
                or FuseOperation.Link
                or FuseOperation.Create:
                return Make(request, arguments);
            case FuseOperation.Unlink:
                return arguments.TryGetName(0, out ReadOnlySpan<byte> name, out _) ? share.Unlink(request.Node, name) : Errno.EINVAL;
            case FuseOperation.RemoveFolder:
                return arguments.TryGetName(0, out name, out _) ? share.RemoveFolder(request.Node, name) : Errno.EINVAL;
            case FuseOperation.Rename:
                return Rename(request, arguments, 8, 0);
            case FuseOperation.RenameWithFlags:
                return Rename(request, arguments, 16, arguments.U32(8));
            case FuseOperation.Open:
                return Handle(share.Open(request.Node, ToMode(arguments.U32(0)), out ulong handle, out bool unchanged), handle, unchanged);
            case FuseOperation.OpenFolder:
                return Handle(share.OpenFolder(request.Node, out handle), handle);
            case FuseOperation.Release or FuseOperation.ReleaseFolder:
                share.Close(arguments.U64(0));
                return Errno.None;
            case FuseOperation.ReadFolder or FuseOperation.ReadFolderPlus:
                return ReadFolder(request, arguments);
            case FuseOperation.SetExtendedAttribute or FuseOperation.GetExtendedAttribute or FuseOperation.ListExtendedAttributes
                or FuseOperation.RemoveExtendedAttribute:
                return ExecuteOnExtendedAttributes(request, arguments);
            case FuseOperation.Destroy:
                Reset();
                return Errno.None;
            default:
                return ExecuteOnContent(request, arguments);
        }
    }

    private Errno ExecuteOnContent(in FuseRequest request, FuseArguments arguments)
    {
        switch (request.Operation)
        {
            case FuseOperation.Synchronize or FuseOperation.SynchronizeFolder:
                return share.Synchronize(arguments.U64(0), (arguments.U32(8) & FuseProtocol.SynchronizeDataOnly) != 0);
            case FuseOperation.SynchronizeAll:
                return share.SynchronizeAll();
            case FuseOperation.GetSpace:
                Errno error = share.GetSpace(out FileSystemSpace space);
                _reply.AddSpace(space);
                return error;
            case FuseOperation.Allocate:
                return share.Allocate(arguments.U64(0), arguments.U32(24), arguments.U64(8), arguments.U64(16));
            case FuseOperation.Seek when arguments.U32(16) is FuseProtocol.SeekData or FuseProtocol.SeekHole:
                error = share.FindData(arguments.U64(0), arguments.U64(8), arguments.U32(16) == FuseProtocol.SeekHole, out ulong position);
                _reply.AddNumber(position);
                return error;
            case FuseOperation.Seek:
                return Errno.EINVAL;
            case FuseOperation.CopyRange:
                error = share.CopyRange(
                    arguments.U64(0), arguments.U64(8), arguments.U64(24), arguments.U64(32), arguments.U64(40), out ulong copied);
                _reply.AddNumber(copied);
                return error;
            default:
                return Errno.ENOSYS;
        }
    }

    private Errno ExecuteOnExtendedAttributes(in FuseRequest request, FuseArguments arguments)
    {
        if (request.Operation == FuseOperation.ListExtendedAttributes)
        {
            Errno error = share.ListExtendedAttributes(request.Node, RoomFor(arguments.U32(0)), out int length);
            return Sized(error, arguments.U32(0), length);
        }

        int structure = FuseArguments.SizeOf(request.Operation);
        if (!arguments.TryGetName(structure, out ReadOnlySpan<byte> name, out int next))
        {
            return Errno.EINVAL;
        }

        switch (request.Operation)
        {
            case FuseOperation.GetExtendedAttribute:
                Errno error = share.GetExtendedAttribute(request.Node, name, RoomFor(arguments.U32(0)), out int length);
                return Sized(error, arguments.U32(0), length);
            case FuseOperation.SetExtendedAttribute:
                return arguments.TryGetBytes(next, arguments.U32(0), out ReadOnlySpan<byte> value)
                    ? share.SetExtendedAttribute(request.Node, name, value, arguments.U32(4))
                    : Errno.EINVAL;
            default:
                return share.RemoveExtendedAttribute(request.Node, name);
        }
    }

    /// <summary>Room for so many bytes in the answer; none if only their number is asked for.</summary>
    private Span<byte> RoomFor(uint size) => _reply.Add((int)Math.Min(size, FuseProtocol.LargestExtendedAttribute));

    /// <summary>What <see cref="RoomFor"/> made room for, as much as there is; or struct fuse_getxattr_out.</summary>
    private Errno Sized(Errno error, uint size, int length)
    {
        if (error == Errno.None && size == 0)
        {
            _reply.AddNumber((uint)length);
        }
        else
        {
            _reply.Cut(error == Errno.None ? length : 0);
        }

        return error;
    }

    /// <summary>"." and ".." are the words of a driver that has a node's number from a handle and nothing else.</summary>
    private Errno Lookup(in FuseRequest request, FuseArguments arguments)
    {
        if (!arguments.TryGetName(0, out ReadOnlySpan<byte> name, out _))
        {
            return Errno.EINVAL;
        }

        Errno error = name.SequenceEqual("."u8) ? share.LookupSelf(request.Node, out FileEntry found)
            : name.SequenceEqual(".."u8) ? share.LookupParent(request.Node, out found)
            : share.Lookup(request.Node, name, out found);
        return Entry(error, found);
    }

    private Errno Entry(Errno error, in FileEntry entry)
    {
        if (error == Errno.None)
        {
            _reply.AddEntry(entry);
        }

        return error;
    }

    private Errno Attributes(Errno error, in NodeAttributes attributes)
    {
        if (error == Errno.None)
        {
            _reply.AddAttributes(attributes);
        }

        return error;
    }

    private Errno Handle(Errno error, ulong handle, bool keepsCache = false)
    {
        if (error == Errno.None)
        {
            _reply.AddHandle(handle, keepsCache ? FuseProtocol.OpenedKeepCache : 0);
        }

        return error;
    }

    private Errno SetAttributes(in FuseRequest request, FuseArguments arguments)
    {
        uint valid = arguments.U32(0);
        AttributeChange change = new()
        {
            Handle = (valid & FuseProtocol.SetHandle) != 0 ? arguments.U64(8) : null,
            Size = (valid & FuseProtocol.SetSize) != 0 ? arguments.U64(16) : null,
            ChangeAccessTime = ToChange(valid, FuseProtocol.SetAccessTime, FuseProtocol.SetAccessTimeNow),
            ChangeModificationTime = ToChange(valid, FuseProtocol.SetModificationTime, FuseProtocol.SetModificationTimeNow),
            AccessTime = new FileTime((long)arguments.U64(32), arguments.U32(56)),
            ModificationTime = new FileTime((long)arguments.U64(40), arguments.U32(60)),
            Mode = (valid & FuseProtocol.SetMode) != 0 ? arguments.U32(68) : null,
            UserId = (valid & FuseProtocol.SetUser) != 0 ? arguments.U32(76) : null,
            GroupId = (valid & FuseProtocol.SetGroup) != 0 ? arguments.U32(80) : null,
        };
        return Attributes(share.SetAttributes(request.Node, change, out NodeAttributes attributes), attributes);
    }

    private static TimeChange ToChange(uint valid, uint set, uint now) =>
        (valid & now) != 0 ? TimeChange.Now : (valid & set) != 0 ? TimeChange.Value : TimeChange.Keep;

    private Errno ReadLink(in FuseRequest request)
    {
        Span<byte> target = stackalloc byte[LongestTarget];
        Errno error = share.ReadLink(request.Node, target, out int length);
        if (error == Errno.None)
        {
            _reply.Add(target[..length]);
        }

        return error;
    }

    private Errno Make(in FuseRequest request, FuseArguments arguments)
    {
        int structure = FuseArguments.SizeOf(request.Operation);
        if (!arguments.TryGetName(structure, out ReadOnlySpan<byte> name, out int next))
        {
            return Errno.EINVAL;
        }

        FileEntry entry;
        switch (request.Operation)
        {
            case FuseOperation.MakeNode:
                return Entry(share.MakeNode(request.Node, name, arguments.U32(0), request.Owner, out entry), entry);
            case FuseOperation.MakeFolder:
                return Entry(share.MakeFolder(request.Node, name, arguments.U32(0), request.Owner, out entry), entry);
            case FuseOperation.Link:
                return Entry(share.Link(arguments.U64(0), request.Node, name, out entry), entry);
            case FuseOperation.MakeSymbolicLink:
                return arguments.TryGetName(next, out ReadOnlySpan<byte> target, out _)
                    ? Entry(share.MakeSymbolicLink(request.Node, name, target, request.Owner, out entry), entry)
                    : Errno.EINVAL;
            default:
                Errno error = share.Create(
                    request.Node, name, ToMode(arguments.U32(0)), arguments.U32(4), request.Owner, out entry, out ulong handle);
                return Handle(Entry(error, entry), handle);
        }
    }

    private Errno Rename(in FuseRequest request, FuseArguments arguments, int names, uint flags) =>
        flags > (uint)RenameMode.Exchange
            || !arguments.TryGetName(names, out ReadOnlySpan<byte> name, out int next)
            || !arguments.TryGetName(next, out ReadOnlySpan<byte> newName, out _)
            ? Errno.EINVAL
            : share.Rename(request.Node, name, arguments.U64(0), newName, (RenameMode)flags); // it has renameat2's numbers

    private Errno ReadFolder(in FuseRequest request, FuseArguments arguments)
    {
        ulong handle = arguments.U64(0);
        int most = (int)Math.Min(arguments.U32(16), FuseReply.Capacity);
        bool plus = request.Operation == FuseOperation.ReadFolderPlus;
        Errno error = share.SeekFolder(handle, arguments.U64(8));
        while (error == Errno.None)
        {
            error = share.ReadFolder(handle, out FolderName entry, out ReadOnlySpan<byte> name);
            if (error != Errno.None || name.IsEmpty)
            {
                break;
            }

            if (_reply.Length + FuseReply.SizeOf(name) + (plus ? FuseProtocol.EntrySize : 0) > most)
            {
                return _reply.Length > 0 ? Errno.None : Errno.EINVAL;
            }

            if (plus)
            {
                AddPlus(request.Node, name);
            }

            _reply.AddFolderName(entry, name);
        }

        return _reply.Length > 0 ? Errno.None : error;
    }

    /// <summary>The entry in front of a name; an empty one says that the driver has to look it up itself.</summary>
    private void AddPlus(ulong folder, ReadOnlySpan<byte> name)
    {
        bool itself = name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);
        FileEntry entry = default;
        if (itself || share.Lookup(folder, name, out entry) != Errno.None)
        {
            _reply.Add(FuseProtocol.EntrySize);
            return;
        }

        _reply.AddEntry(entry);
    }

    private static OpenMode ToMode(uint flags)
    {
        OpenMode mode = (flags & FuseProtocol.OpenAccessMask) switch
        {
            FuseProtocol.OpenWriteOnly => OpenMode.Write,
            FuseProtocol.OpenReadWrite => OpenMode.Read | OpenMode.Write,
            _ => OpenMode.Read,
        };
        return mode
            | ((flags & FuseProtocol.OpenAppend) != 0 ? OpenMode.Append : 0)
            | ((flags & FuseProtocol.OpenTruncate) != 0 ? OpenMode.Truncate : 0)
            | ((flags & FuseProtocol.OpenExclusive) != 0 ? OpenMode.Exclusive : 0)
            | ((flags & FuseProtocol.OpenDataSynchronous) != 0 ? OpenMode.Synchronous : 0);
    }
}
