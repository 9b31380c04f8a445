using System.Buffers.Binary;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <content>Open files and folders.</content>
public sealed partial class HostFolder
{
    private const int SeekSet = 0;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int FolderRecordName = 19; // linux_dirent64: inode 8, offset 8, length 2, type 1, name
    private const uint AllocateKeepSize = 1;
    private const uint AllocatePunchHole = 2;
    private const uint AllocateZeroRange = 16;

    private readonly byte[] _folderRecords = new byte[32 << 10];
    private ulong _folderHandle;
    private int _folderAt;
    private int _folderEnd;

    public Errno Open(ulong node, OpenMode mode, out ulong handle, out bool isUnchanged)
    {
        handle = 0;
        isUnchanged = false;
        Errno error = Resolve(node, out Node? file, out int descriptor);
        if (error == Errno.None)
        {
            error = Open(file!, descriptor, mode, out handle);
        }

        if (error == Errno.None)
        {
            FileVersion? version = GetStatus(descriptor, out HostFiles.FileStatus status) == Errno.None ? FileVersion.Of(status) : null;
            isUnchanged = version is not null && version == file!.Opened;
            file!.Opened = version;
        }

        _nodes.Trim();
        return error;
    }

    public Errno Create(
        ulong parent, ReadOnlySpan<byte> name, OpenMode mode, uint permissions, FileOwner owner, out FileEntry entry, out ulong handle)
    {
        entry = default;
        handle = 0;
        Errno error = EnterForChange(parent, name, out Node? folder, out int place);
        if (error == Errno.None && _handles.Count >= _mostHandles)
        {
            error = Errno.ENFILE;
        }

        if (error == Errno.None)
        {
            int flags = HostFiles.Create | HostFiles.Exclusive | HostFiles.NoFollow | Flags(mode & ~OpenMode.Truncate);
            error = HostFiles.OpenAt(place, name, flags, permissions & FilePermissions, out int opened);
            error = error switch
            {
                Errno.None =>
                    FinishCreation(folder!, place, name, opened, mode, permissions & FilePermissions, owner, out entry, out handle),
                Errno.EEXIST when (mode & OpenMode.Exclusive) == 0 => OpenExisting(folder!, place, name, mode, out entry, out handle),
                _ => error,
            };
        }

        _nodes.Trim();
        return error;
    }

    public Errno OpenFolder(ulong node, out ulong handle)
    {
        handle = 0;
        Errno error = Resolve(node, out Node? folder, out int descriptor);
        if (error == Errno.None)
        {
            error = folder!.Kind != KindFolder ? Errno.ENOTDIR
                : _handles.Count >= _mostHandles ? Errno.ENFILE
                : HostFiles.Reopen(descriptor, HostFiles.ReadOnly | HostFiles.FolderOnly, out descriptor);
        }

        if (error == Errno.None)
        {
            handle = Add(new Handle(folder!, descriptor, IsFolder: true, OpenMode.Read));
        }

        _nodes.Trim();
        return error;
    }

    public void Close(ulong handle)
    {
        if (_handles.Remove(handle, out Handle? open))
        {
            CloseDescriptor(open);
            _nodes.RemoveHandle(open.Node);
        }
    }

    public Errno Read(ulong handle, ulong offset, Span<byte> buffer, out int count)
    {
        count = 0;
        return GetOpen(handle, isFolder: false, out Handle? file) is var lost and not Errno.None ? lost
            : offset > long.MaxValue - (ulong)buffer.Length ? Errno.EINVAL
            : HostFiles.Read(file!.Descriptor, (long)offset, buffer, out count);
    }

    public Errno Write(ulong handle, ulong offset, ReadOnlySpan<byte> data, bool cached, out int count)
    {
        count = 0;
        if (GetOpen(handle, isFolder: false, out Handle? file) is var lost and not Errno.None)
        {
            return lost;
        }

        if (!Fits(file!, offset, (ulong)data.Length, cached))
        {
            return Errno.EFBIG;
        }

        DropCapability(file!.Node, file.Descriptor);
        return HostFiles.Write(file.Descriptor, (long)offset, data, file.Appends && !cached, out count);
    }

    public Errno Synchronize(ulong handle, bool dataOnly) =>
        !_handles.TryGetValue(handle, out Handle? open) ? Errno.EBADF
        : open.Descriptor < 0 ? Errno.ESTALE
        : HostFiles.Synchronize(open.Descriptor, dataOnly);

    public Errno SynchronizeAll()
    {
        Errno error = Resolve(IFileShare.Root, out _, out int root);
        if (error == Errno.None)
        {
            error = HostFiles.Reopen(root, HostFiles.ReadOnly | HostFiles.FolderOnly, out int folder);
            if (error == Errno.None)
            {
                error = HostFiles.SynchronizeFileSystem(folder);
                HostFiles.Close(folder);
            }
        }

        return error;
    }

    public Errno SeekFolder(ulong handle, ulong offset)
    {
        Errno error = GetOpen(handle, isFolder: true, out Handle? folder);
        if (error != Errno.None)
        {
            return error;
        }

        _folderHandle = handle;
        _folderAt = _folderEnd = 0;
        return offset > long.MaxValue ? Errno.EINVAL : HostFiles.Seek(folder!.Descriptor, (long)offset, SeekSet, out _);
    }

    public Errno ReadFolder(ulong handle, out FolderName entry, out ReadOnlySpan<byte> name)
    {
        entry = default;
        name = default;
        Handle? folder = null;
        Errno error = handle == _folderHandle ? GetOpen(handle, isFolder: true, out folder) : Errno.EBADF;
        if (error != Errno.None)
        {
            return error;
        }

        if (_folderAt == _folderEnd)
        {
            error = HostFiles.ReadFolder(folder!.Descriptor, _folderRecords, out _folderEnd);
            _folderAt = 0;
            if (error != Errno.None || _folderEnd == 0)
            {
                return error;
            }
        }

        ReadOnlySpan<byte> record = _folderRecords.AsSpan(_folderAt, _folderEnd - _folderAt);
        ushort length = BinaryPrimitives.ReadUInt16LittleEndian(record[16..]);
        _folderAt += length;
        name = record[FolderRecordName..length];
        name = name[..name.IndexOf((byte)0)];
        entry = new FolderName(
            BinaryPrimitives.ReadUInt64LittleEndian(record), BinaryPrimitives.ReadUInt64LittleEndian(record[8..]), record[18]);
        return Errno.None;
    }

    public Errno Allocate(ulong handle, uint mode, ulong offset, ulong length)
    {
        bool known = mode is 0
            or AllocateKeepSize
            or (AllocateKeepSize | AllocatePunchHole)
            or AllocateZeroRange
            or (AllocateZeroRange | AllocateKeepSize);
        if (GetOpen(handle, isFolder: false, out Handle? file) is var lost and not Errno.None)
        {
            return lost;
        }

        if (!known || !Fits(file!, offset, length, cached: true))
        {
            return known ? Errno.EFBIG : Errno.EOPNOTSUPP;
        }

        DropCapability(file!.Node, file.Descriptor);
        return HostFiles.Allocate(file.Descriptor, (int)mode, (long)offset, (long)length);
    }

    public Errno FindData(ulong handle, ulong offset, bool hole, out ulong found)
    {
        found = 0;
        Errno error = GetOpen(handle, isFolder: false, out Handle? file);
        if (error != Errno.None)
        {
            return error;
        }

        if (offset > long.MaxValue)
        {
            return Errno.ENXIO;
        }

        error = HostFiles.Seek(file!.Descriptor, (long)offset, hole ? SeekHole : SeekData, out long position);
        found = (ulong)Math.Max(0, position);
        return error;
    }

    public Errno CopyRange(ulong source, ulong sourceOffset, ulong target, ulong targetOffset, ulong length, out ulong copied)
    {
        copied = 0;
        if (GetOpen(source, isFolder: false, out Handle? from) is var lost and not Errno.None)
        {
            return lost;
        }

        if (GetOpen(target, isFolder: false, out Handle? to) is var gone and not Errno.None)
        {
            return gone;
        }

        length = Math.Min(length, LongestCopy);
        if (sourceOffset > long.MaxValue || to!.Appends)
        {
            return Errno.EINVAL;
        }

        if (!Fits(to, targetOffset, length, cached: true))
        {
            return Errno.EFBIG;
        }

        DropCapability(to.Node, to.Descriptor);
        return HostFiles.CopyRange(from!.Descriptor, (long)sourceOffset, to.Descriptor, (long)targetOffset, (nuint)length, out copied);
    }

    /// <summary>Whether a write ends inside the largest file.</summary>
    private bool Fits(Handle file, ulong offset, ulong length, bool cached)
    {
        bool atEnd = file.Appends && !cached && _largestFile < long.MaxValue;
        if (atEnd && GetStatus(file.Descriptor, out HostFiles.FileStatus status) == Errno.None)
        {
            offset = Math.Max(offset, status.Size);
        }

        return offset <= _largestFile && length <= _largestFile - offset;
    }

    /// <summary>Bytes copied by one request: others wait meanwhile.</summary>
    private const ulong LongestCopy = 16 << 20;

    private static int Flags(OpenMode mode)
    {
        int access = (mode & (OpenMode.Read | OpenMode.Write)) switch
        {
            OpenMode.Write => HostFiles.WriteOnly,
            OpenMode.Read | OpenMode.Write => HostFiles.ReadWrite,
            _ => HostFiles.ReadOnly,
        };
        return access | HostFiles.NonBlocking
            | ((mode & OpenMode.Truncate) != 0 ? HostFiles.Truncate : 0)
            | ((mode & OpenMode.Synchronous) != 0 ? HostFiles.Synchronous : 0);
    }

    private Errno Open(Node file, int descriptor, OpenMode mode, out ulong handle)
    {
        handle = 0;
        if (IsReadOnly && (mode & (OpenMode.Write | OpenMode.Truncate)) != 0)
        {
            return Errno.EROFS;
        }

        if (file.Kind != KindFile)
        {
            return file.Kind switch { KindFolder => Errno.EISDIR, KindLink => Errno.ELOOP, _ => Errno.ENXIO };
        }

        if (_handles.Count >= _mostHandles)
        {
            return Errno.ENFILE;
        }

        Errno error = HostFiles.Reopen(descriptor, Flags(mode), out int opened);
        if (error == Errno.None)
        {
            if ((mode & OpenMode.Truncate) != 0)
            {
                DropCapability(file, opened);
            }

            handle = Add(new Handle(file, opened, IsFolder: false, mode & KeptMode));
        }

        return error;
    }

    /// <summary>O_CREAT without O_EXCL where the name exists: only a regular file is opened.</summary>
    private Errno OpenExisting(Node folder, int place, ReadOnlySpan<byte> name, OpenMode mode, out FileEntry entry, out ulong handle)
    {
        handle = 0;
        Errno error = Find(folder, place, name, out entry);
        if (error == Errno.None)
        {
            error = Resolve(entry.Node, out Node? file, out int descriptor);
            error = error == Errno.None ? Open(file!, descriptor, mode, out handle) : error;
            if (error == Errno.None && (mode & OpenMode.Truncate) != 0)
            {
                error = GetAttributes(descriptor, out NodeAttributes attributes);
                entry = entry with { Attributes = attributes };
            }

            if (error != Errno.None)
            {
                _nodes.Forget(entry.Node, 1);
            }
        }

        return error;
    }

    private Errno FinishCreation(
        Node folder, int place, ReadOnlySpan<byte> name, int opened, OpenMode mode, uint permissions, FileOwner owner, out FileEntry entry,
        out ulong handle)
    {
        entry = default;
        handle = 0;
        GiveTo(owner, place, opened, permissions);
        Errno error = HostFiles.Reopen(opened, HostFiles.PathOnly, out int path);
        Node? node = null;
        if (error == Errno.None)
        {
            error = Adopt(folder, name, path, out node, out entry);
        }

        if (error != Errno.None)
        {
            HostFiles.Close(opened);
            return error;
        }

        handle = Add(new Handle(node!, opened, IsFolder: false, mode & KeptMode));
        return Errno.None;
    }

    private ulong Add(Handle handle)
    {
        _nodes.AddHandle(handle.Node);
        _handles.Add(++_lastHandle, handle);
        return _lastHandle;
    }

    private Errno GetOpen(ulong number, bool isFolder, out Handle? open) =>
        !_handles.TryGetValue(number, out open) || open.IsFolder != isFolder ? Errno.EBADF
        : open.Descriptor < 0 ? Errno.ESTALE
        : Errno.None;

    private static void CloseDescriptor(Handle handle)
    {
        if (handle.Descriptor >= 0)
        {
            HostFiles.Close(handle.Descriptor);
        }
    }

    /// <param name="Descriptor">Negative for what could not be opened again behind a restore.</param>
    private sealed record Handle(Node Node, int Descriptor, bool IsFolder, OpenMode Mode)
    {
        public bool Appends => (Mode & OpenMode.Append) != 0;
    }
}
