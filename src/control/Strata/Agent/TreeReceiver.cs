using System.Runtime.InteropServices;
using System.Text;
using Strata.Control;
using Strata.Core.Posix;
using Strata.Core.Sharing;

namespace Strata;

/// <summary>
/// Puts a tree that a guest sends into a folder of the host. The guest is hostile and may even change that folder meanwhile, if it is
/// shared with it: everything goes through a share's descriptors, which follow no links, and only links that lead to places inside of
/// the tree are made. What cannot be written is left out, with all that is in it, and the rest goes on.
/// </summary>
/// <param name="folder">Where the tree's root goes.</param>
/// <param name="rootName">The root's name there.</param>
/// <param name="leftOut">Hears of what stays in the guest.</param>
/// <param name="replaces">What exists gives way to what comes; otherwise the data goes into it, and owner and mode stay.</param>
internal sealed class TreeReceiver(IFileShare folder, byte[] rootName, Action<string> leftOut, bool replaces = false) : ITreeTarget
{
    private const uint KindMask = 0xF000;
    private const uint KindFolder = 0x4000;
    private const uint KindFile = 0x8000;
    private const uint KindLink = 0xA000;
    private const uint Private = 0x1C0; // rwx for the user alone
    private const int LongestName = 255;

    private readonly List<byte> _path = []; // of the folder that was entered last
    private readonly Stack<Level> _levels = [];
    private byte[]? _skipped; // a folder that is left out
    private TargetFile? _file;
    private bool _hasRoot;

    public void Add(TreeNode node)
    {
        if (_file is not null || _hasRoot == (node.Path.Length == 0))
        {
            throw new InvalidDataException("The guest's agent sent nodes of a tree in a wrong order.");
        }

        _hasRoot = true;
        if (_skipped is { } skipped && node.Path.AsSpan().StartsWith(skipped) && node.Path.AsSpan(skipped.Length).StartsWith("/"u8))
        {
            _file = node.Kind == 'f' ? new TargetFile(node) : null;
            return;
        }

        _skipped = null;
        (ulong parent, byte[] name) = Place(node.Path);
        if (node.Kind == 'f')
        {
            _file = StartFile(parent, name, node);
            return;
        }

        Errno error = node.Kind == 'd' ? AddFolder(parent, name, node) : MakeLink(parent, name, node);
        if (error != Errno.None)
        {
            Fail(node, error);
            _skipped = node.Kind == 'd' ? node.Path : null;
        }
    }

    public void Write(ReadOnlySpan<byte> content)
    {
        TargetFile file = _file ?? throw new InvalidDataException("The guest's agent sent content without a file.");
        while (!content.IsEmpty && file.Handle is { } handle)
        {
            Errno error = folder.Write(handle, file.Written, content, cached: false, out int count);
            if (error != Errno.None)
            {
                Discard(file);
                Fail(file.Node, error);
                return;
            }

            content = content[count..];
            file.Written += (uint)count;
        }
    }

    public void LeaveOut(string what)
    {
        if (_file is { } file)
        {
            Discard(file);
            _file = null;
        }

        leftOut(what);
    }

    public bool End()
    {
        if (_file is { } file)
        {
            _file = null;
            FinishFile(file);
            return false;
        }

        if (!_hasRoot)
        {
            throw new InvalidDataException("The guest's agent sent an empty tree.");
        }

        LeaveFolders();
        return true;
    }

    public void Abandon()
    {
        if (_file is { } file)
        {
            _file = null;
            Discard(file);
        }

        LeaveFolders();
    }

    /// <summary>
    /// Whether a link leads to a place inside of the tree: it is relative, goes up first and no further than to the tree's root, and
    /// only down from there. The folders above it are real ones, so going up is exact; what it meets on the way down are real folders
    /// or other links that are so, too.
    /// </summary>
    internal static bool StaysInside(ReadOnlySpan<byte> path, ReadOnlySpan<byte> target)
    {
        int depth = path.Count((byte)'/');
        if (target.IsEmpty || target[0] == (byte)'/' || target.Contains((byte)0))
        {
            return false;
        }

        bool goesDown = false;
        foreach (Range range in target.Split((byte)'/'))
        {
            ReadOnlySpan<byte> part = target[range];
            if (part.SequenceEqual(".."u8))
            {
                if (goesDown || --depth < 0)
                {
                    return false;
                }
            }
            else if (!part.IsEmpty && !part.SequenceEqual("."u8))
            {
                goesDown = true;
            }
        }

        return true;
    }

    /// <summary>
    /// Where a node goes: into a folder that is open still, under a name that is one. Folders that it is not in are left.
    /// </summary>
    private (ulong Parent, byte[] Name) Place(byte[] path)
    {
        if (path.Length == 0)
        {
            return (IFileShare.Root, rootName);
        }

        int slash = Array.LastIndexOf(path, (byte)'/');
        byte[] name = path[(slash + 1)..];
        bool isName = name.Length is > 0 and <= LongestName
            && !name.Contains((byte)0)
            && !name.SequenceEqual("."u8.ToArray())
            && !name.SequenceEqual(".."u8.ToArray());
        ReadOnlySpan<byte> parent = path.AsSpan(0, Math.Max(0, slash));
        while (_levels.Count > 0 && !parent.SequenceEqual(CollectionsMarshal.AsSpan(_path)))
        {
            LeaveFolder();
        }

        return isName && slash != 0 && _levels.TryPeek(out Level? level)
            ? (level.Node, name)
            : throw new InvalidDataException($"The guest's agent sent the path \"{Text(path)}\", which leads out of the tree.");
    }

    private Errno AddFolder(ulong parent, byte[] name, TreeNode node)
    {
        Errno error = folder.MakeFolder(parent, name, Private, default, out FileEntry entry);
        bool exists = error == Errno.EEXIST;
        if (exists)
        {
            error = folder.Lookup(parent, name, out entry);
            if (error == Errno.None && (entry.Attributes.Mode & KindMask) != KindFolder)
            {
                folder.Forget(entry.Node, 1);
                error = Errno.ENOTDIR;
            }
        }

        if (error == Errno.None)
        {
            AttributeChange change = AttributesOf(node);
            _levels.Push(new Level(entry.Node, _path.Count, exists && !replaces ? change : change with { Mode = node.Mode }));
            _path.Clear();
            _path.AddRange(node.Path);
        }

        return error;
    }

    private void LeaveFolder()
    {
        Level level = _levels.Pop();
        Errno error = folder.SetAttributes(level.Node, level.Attributes, out _);
        folder.Forget(level.Node, 1);
        if (error != Errno.None)
        {
            leftOut($"{Text([.. _path])}: its mode and time cannot be set: {Reason(error)}");
        }

        _path.RemoveRange(level.ParentLength, _path.Count - level.ParentLength);
    }

    /// <summary>A folder that is closed to its owner, and its time, after what is in it.</summary>
    private void LeaveFolders()
    {
        while (_levels.Count > 0)
        {
            LeaveFolder();
        }
    }

    /// <summary>
    /// A new file, or one that was there. Links are never followed here: the guest may have made them, in a folder that is shared with
    /// it.
    /// </summary>
    private TargetFile StartFile(ulong parent, byte[] name, TreeNode node)
    {
        TargetFile file = new(node) { Parent = parent, Name = name };
        FileEntry entry = default;
        Errno error = replaces ? Errno.ENOENT : folder.Lookup(parent, name, out entry);
        ulong handle = 0;
        if (error == Errno.None && (entry.Attributes.Mode & KindMask) == KindFile)
        {
            file.Entry = entry.Node;
            error = folder.Open(entry.Node, OpenMode.Write | OpenMode.Truncate, out handle, out _);
        }
        else if (error == Errno.None)
        {
            folder.Forget(entry.Node, 1);
            error = (entry.Attributes.Mode & KindMask) switch { KindFolder => Errno.EISDIR, KindLink => Errno.ELOOP, _ => Errno.EEXIST };
        }
        else if (error == Errno.ENOENT)
        {
            file.Temporary = Encoding.ASCII.GetBytes($".strata-{Guid.NewGuid():N}.part");
            error = folder.Create(parent, file.Temporary, OpenMode.Write | OpenMode.Exclusive, Private, default, out entry, out handle);
            file.Entry = error == Errno.None ? entry.Node : null;
        }

        file.Handle = error == Errno.None ? handle : null;
        if (error != Errno.None)
        {
            Discard(file);
            Fail(node, error);
        }

        return file;
    }

    private void FinishFile(TargetFile file)
    {
        if (file.Handle is null)
        {
            return; // it was left out
        }

        AttributeChange change = AttributesOf(file.Node);
        change = file.Temporary is null ? change : change with { Mode = file.Node.Mode };
        Errno error = folder.SetAttributes(file.Entry!.Value, change, out _);
        if (error == Errno.None && file.Temporary is { } temporary)
        {
            error = folder.Rename(file.Parent, temporary, file.Parent, file.Name, RenameMode.Replace);
            file.Temporary = error == Errno.None ? null : temporary;
        }

        Discard(file);
        if (error != Errno.None)
        {
            Fail(file.Node, error);
        }
    }

    /// <summary>Closes a file. One that has no name yet goes.</summary>
    private void Discard(TargetFile file)
    {
        if (file is { Temporary: { } temporary, Entry: not null })
        {
            folder.Unlink(file.Parent, temporary);
        }

        if (file.Handle is { } handle)
        {
            folder.Close(handle);
            file.Handle = null;
        }

        if (file.Entry is { } entry)
        {
            folder.Forget(entry, 1);
            file.Entry = null;
        }
    }

    private Errno MakeLink(ulong parent, byte[] name, TreeNode node)
    {
        if (node.Path.Length == 0)
        {
            throw new InvalidDataException("The guest's agent sent a link where none can be.");
        }

        if (!StaysInside(node.Path, node.Target))
        {
            leftOut($"{Text(node.Path)}: a link that leads out of what is copied, to {Text(node.Target)}");
            return Errno.None;
        }

        Errno error = folder.MakeSymbolicLink(parent, name, node.Target, default, out FileEntry entry);
        if (error == Errno.EEXIST && IsFileOrLink(parent, name) && folder.Unlink(parent, name) == Errno.None)
        {
            error = folder.MakeSymbolicLink(parent, name, node.Target, default, out entry);
        }

        if (error == Errno.None)
        {
            error = folder.SetAttributes(entry.Node, AttributesOf(node), out _);
            folder.Forget(entry.Node, 1);
        }

        return error;
    }

    private bool IsFileOrLink(ulong parent, byte[] name)
    {
        if (folder.Lookup(parent, name, out FileEntry entry) != Errno.None)
        {
            return false;
        }

        folder.Forget(entry.Node, 1);
        return (entry.Attributes.Mode & KindMask) is KindFile or KindLink;
    }

    /// <summary>When the node was modified, without its mode: a link has none.</summary>
    private static AttributeChange AttributesOf(TreeNode node) => node.Modified is { } time
        ? new AttributeChange { ChangeModificationTime = TimeChange.Value, ModificationTime = time }
        : default;

    /// <exception cref="StrataException">It is what was named itself.</exception>
    private void Fail(TreeNode node, Errno error)
    {
        string reason = error == Errno.ELOOP ? "a link is there, which may lead anywhere: remove it, or --replace it" : Reason(error);
        if (node.Path.Length == 0)
        {
            throw new StrataException(
                StrataError.Host,
                $"\"{Text(rootName)}\" cannot be written on the host: {reason}; check its folder's permissions, and what is there.");
        }

        leftOut($"{Text(node.Path)}: cannot be written on the host: {reason}");
    }

    private static string Reason(Errno error) => Marshal.GetPInvokeErrorMessage((int)error);

    private static string Text(byte[] path) => Printable.Text(ByteText.GetString(path));

    /// <param name="Node">In the share; one reference is held.</param>
    /// <param name="ParentLength">Of its parent's path, in bytes.</param>
    /// <param name="Attributes">For the time when it is left.</param>
    private sealed record Level(ulong Node, int ParentLength, AttributeChange Attributes);

    /// <summary>A file that comes.</summary>
    private sealed class TargetFile(TreeNode node)
    {
        public TreeNode Node => node;

        public ulong Parent { get; init; }

        public byte[] Name { get; init; } = [];

        /// <summary>Its name until it is whole; null for one that was there.</summary>
        public byte[]? Temporary { get; set; }

        /// <summary>Open for writing; null if it is left out.</summary>
        public ulong? Handle { get; set; }

        /// <summary>The node that a reference is held to.</summary>
        public ulong? Entry { get; set; }

        /// <summary>Bytes.</summary>
        public ulong Written { get; set; }
    }
}
