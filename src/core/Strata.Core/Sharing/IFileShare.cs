namespace Strata.Core.Sharing;

/// <summary>
/// A tree of files that a guest may use: what a file system device serves. Files are numbered nodes that the guest holds references
/// to; node 1 is the root. Names are single components in bytes: what holds a slash, a NUL or is "." or ".." is refused. Numbers,
/// names, sizes and offsets come from the guest and are checked here. Calls come from one thread at a time and may block.
/// </summary>
public interface IFileShare : IDisposable
{
    /// <summary>The root's node.</summary>
    const ulong Root = 1;

    bool IsReadOnly { get; }

    /// <summary>Finds a name and takes a reference to it.</summary>
    Errno Lookup(ulong parent, ReadOnlySpan<byte> name, out FileEntry entry);

    /// <summary>
    /// Takes a reference to a node by its number alone, as one who kept a handle of it does: also to one that was given back, if it is
    /// remembered and its file still has its name. Otherwise it is ESTALE.
    /// </summary>
    Errno LookupSelf(ulong node, out FileEntry entry);

    /// <summary>As <see cref="LookupSelf"/>, to the folder that the node is in; the root's is the root.</summary>
    Errno LookupParent(ulong node, out FileEntry entry);

    /// <summary>Gives references back.</summary>
    void Forget(ulong node, ulong count);

    Errno GetAttributes(ulong node, out NodeAttributes attributes);

    Errno SetAttributes(ulong node, in AttributeChange change, out NodeAttributes attributes);

    /// <param name="target">At least 4096 bytes.</param>
    Errno ReadLink(ulong node, Span<byte> target, out int length);

    /// <summary>Makes a regular file, a FIFO or a socket's name. Device files are refused.</summary>
    Errno MakeNode(ulong parent, ReadOnlySpan<byte> name, uint mode, FileOwner owner, out FileEntry entry);

    Errno MakeFolder(ulong parent, ReadOnlySpan<byte> name, uint mode, FileOwner owner, out FileEntry entry);

    Errno MakeSymbolicLink(ulong parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, FileOwner owner, out FileEntry entry);

    /// <summary>Gives a file another name.</summary>
    Errno Link(ulong node, ulong parent, ReadOnlySpan<byte> name, out FileEntry entry);

    Errno Unlink(ulong parent, ReadOnlySpan<byte> name);

    Errno RemoveFolder(ulong parent, ReadOnlySpan<byte> name);

    Errno Rename(ulong parent, ReadOnlySpan<byte> name, ulong newParent, ReadOnlySpan<byte> newName, RenameMode mode);

    /// <summary>Opens a regular file.</summary>
    /// <param name="isUnchanged">The content is what it was when the guest opened the file before: what it cached is right.</param>
    Errno Open(ulong node, OpenMode mode, out ulong handle, out bool isUnchanged);

    /// <summary>Opens a name, making it if it does not exist, and takes a reference to it.</summary>
    Errno Create(
        ulong parent, ReadOnlySpan<byte> name, OpenMode mode, uint permissions, FileOwner owner, out FileEntry entry, out ulong handle);

    Errno OpenFolder(ulong node, out ulong handle);

    /// <summary>Closes what <see cref="Open"/>, <see cref="Create"/> or <see cref="OpenFolder"/> opened.</summary>
    void Close(ulong handle);

    /// <param name="count">Bytes read; fewer than the buffer holds at the file's end only.</param>
    Errno Read(ulong handle, ulong offset, Span<byte> buffer, out int count);

    /// <param name="cached">From the guest's page cache: goes to <paramref name="offset"/> even where the handle appends.</param>
    Errno Write(ulong handle, ulong offset, ReadOnlySpan<byte> data, bool cached, out int count);

    /// <summary>Returns when a file's or folder's content is on stable storage.</summary>
    Errno Synchronize(ulong handle, bool dataOnly);

    /// <summary>Returns when everything in the share is on stable storage.</summary>
    Errno SynchronizeAll();

    /// <summary>Goes to a place in a folder: 0 or a <see cref="FolderName.Offset"/>.</summary>
    Errno SeekFolder(ulong handle, ulong offset);

    /// <summary>Takes the next name of a folder.</summary>
    /// <param name="name">Empty at the folder's end; valid until the next call.</param>
    Errno ReadFolder(ulong handle, out FolderName entry, out ReadOnlySpan<byte> name);

    /// <summary>fallocate(2). <paramref name="mode"/> has Linux's numbers; what the share does not know is EOPNOTSUPP.</summary>
    Errno Allocate(ulong handle, uint mode, ulong offset, ulong length);

    /// <summary>lseek(2) to data or a hole.</summary>
    Errno FindData(ulong handle, ulong offset, bool hole, out ulong found);

    /// <summary>Copies inside the share without a detour through the guest.</summary>
    Errno CopyRange(ulong source, ulong sourceOffset, ulong target, ulong targetOffset, ulong length, out ulong copied);

    /// <summary>Reads an extended attribute; names are the guest's, and which there are is the share's to say.</summary>
    /// <param name="value">Empty to ask for the length only.</param>
    /// <param name="length">Bytes; ERANGE if they do not fit.</param>
    Errno GetExtendedAttribute(ulong node, ReadOnlySpan<byte> name, Span<byte> value, out int length);

    /// <param name="flags">Those of setxattr(2): 1 to make only, 2 to replace only.</param>
    Errno SetExtendedAttribute(ulong node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags);

    Errno RemoveExtendedAttribute(ulong node, ReadOnlySpan<byte> name);

    /// <summary>The names of all, each with a zero behind it.</summary>
    /// <param name="names">Empty to ask for the length only.</param>
    Errno ListExtendedAttributes(ulong node, Span<byte> names, out int length);

    Errno GetSpace(out FileSystemSpace space);

    /// <summary>What the guest knows of the share.</summary>
    FileShareState SaveState();

    /// <summary>
    /// Takes over what a guest knew, of this share or of another one: in place of what is known now. What is not here any more is ESTALE.
    /// </summary>
    /// <exception cref="State.StateException">It cannot be what a guest knew; nothing has changed.</exception>
    void LoadState(FileShareState state);

    /// <summary>Forgets all nodes but the root and closes all handles: the guest has gone.</summary>
    void Reset();
}
