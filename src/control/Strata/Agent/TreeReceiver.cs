using System.Text;
using Strata.Core.Sharing;

namespace Strata;

/// <summary>
/// Puts a tree that a guest sends into a folder of the host. The guest is hostile and may even change that folder meanwhile, if it is
/// shared with it: everything goes through a share's descriptors, which follow no links. Links are made last, and only those that
/// lead to places inside of the tree.
/// </summary>
/// <param name="folder">Where the tree's root goes.</param>
/// <param name="rootName">The root's name there.</param>
/// <param name="leftOut">Hears of what stays in the guest.</param>
internal sealed class TreeReceiver(IFileShare folder, string rootName, Action<string> leftOut)
{
    /// <summary>Folders, and links, in one tree: the guest must not fill this process's memory.</summary>
    public const int MostFolders = 200_000;

    private const uint KindMask = 0xF000;
    private const uint KindFolder = 0x4000;
    private const uint Private = 0x1C0; // rwx for the user alone
    private const int LongestName = 255;

    private readonly Dictionary<string, (ulong Node, AttributeChange Attributes)> _folders = []; // by path in Latin-1: bytes as they are
    private readonly List<string> _order = [];
    private readonly List<TreeNode> _links = [];
    private (ulong Parent, byte[] Name, byte[] Temporary, ulong Handle, ulong Node, AttributeChange Attributes)? _file;
    private ulong _written;
    private bool _hasRoot;

    /// <exception cref="InvalidDataException">The guest broke the rules.</exception>
    /// <exception cref="StrataException">The host cannot write.</exception>
    public void Add(TreeNode node)
    {
        if (_file is not null || _hasRoot == (node.Path.Length == 0))
        {
            throw new InvalidDataException("The guest's agent sent nodes of a tree in a wrong order.");
        }

        (ulong parent, byte[] name) = Place(node.Path);
        _hasRoot = true;
        switch (node.Kind)
        {
            case 'd':
                AddFolder(parent, name, node);
                break;
            case 'f':
                StartFile(parent, name, node);
                break;
            default:
                if (node.Path.Length == 0 || _links.Count == MostFolders)
                {
                    throw new InvalidDataException("The guest's agent sent a link where none can be, or too many.");
                }

                _links.Add(node);
                break;
        }
    }

    /// <summary>More of the file that was added last.</summary>
    public void Write(ReadOnlySpan<byte> content)
    {
        var file = _file ?? throw new InvalidDataException("The guest's agent sent content without a file.");
        while (!content.IsEmpty)
        {
            Check(folder.Write(file.Handle, _written, content, cached: false, out int count), file.Name);
            content = content[count..];
            _written += (uint)count;
        }
    }

    /// <summary>Ends what was begun last.</summary>
    /// <returns>True if it was the tree, false if it was a file.</returns>
    public bool End()
    {
        if (_file is { } file)
        {
            Check(folder.SetAttributes(file.Node, file.Attributes, out _), file.Name);
            Check(folder.Rename(file.Parent, file.Temporary, file.Parent, file.Name, RenameMode.Replace), file.Name);
            CloseFile(file.Handle, file.Node);
            return false;
        }

        if (!_hasRoot)
        {
            throw new InvalidDataException("The guest's agent sent an empty tree.");
        }

        _links.ForEach(MakeLink);
        foreach (string path in Enumerable.Reverse(_order)) // a folder that is closed to its owner, and its time, after what is in it
        {
            (ulong node, AttributeChange attributes) = _folders[path];
            Check(folder.SetAttributes(node, attributes, out _), Encoding.Latin1.GetBytes(path));
        }

        return true;
    }

    /// <summary>The copy failed: half a file goes.</summary>
    public void Abandon()
    {
        if (_file is { } file)
        {
            folder.Unlink(file.Parent, file.Temporary);
            CloseFile(file.Handle, file.Node);
        }
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

    /// <summary>Where a node goes: into a folder that was sent before, under a name that is one.</summary>
    private (ulong Parent, byte[] Name) Place(byte[] path)
    {
        if (path.Length == 0)
        {
            return (IFileShare.Root, Encoding.UTF8.GetBytes(rootName));
        }

        int slash = Array.LastIndexOf(path, (byte)'/');
        byte[] name = path[(slash + 1)..];
        bool isName = name.Length is > 0 and <= LongestName && !name.Contains((byte)0) && !name.SequenceEqual("."u8.ToArray()) && !name.SequenceEqual(".."u8.ToArray());
        return isName && _folders.TryGetValue(Encoding.Latin1.GetString(path, 0, Math.Max(0, slash)), out var parent) && slash != 0
            ? (parent.Node, name)
            : throw new InvalidDataException($"The guest's agent sent the path \"{Text(path)}\", which leads out of the tree.");
    }

    private void AddFolder(ulong parent, byte[] name, TreeNode node)
    {
        if (_folders.Count == MostFolders)
        {
            throw new StrataException(StrataError.Guest, $"The guest's tree has more than {MostFolders:N0} folders; copy parts of it.");
        }

        Errno error = folder.MakeFolder(parent, name, Private, default, out FileEntry entry);
        if (error == Errno.EEXIST)
        {
            error = folder.Lookup(parent, name, out entry);
            error = error == Errno.None && (entry.Attributes.Mode & KindMask) != KindFolder ? Errno.ENOTDIR : error;
        }

        Check(error, node.Path);
        string path = Encoding.Latin1.GetString(node.Path);
        if (!_folders.TryAdd(path, (entry.Node, AttributesOf(node) with { Mode = node.Mode })))
        {
            throw new InvalidDataException($"The guest's agent sent the folder \"{Text(node.Path)}\" twice.");
        }

        _order.Add(path);
    }

    private void StartFile(ulong parent, byte[] name, TreeNode node)
    {
        byte[] temporary = Encoding.ASCII.GetBytes($".strata-{Guid.NewGuid():N}.part");
        Check(folder.Create(parent, temporary, OpenMode.Write | OpenMode.Exclusive, Private, default, out FileEntry entry, out ulong handle), node.Path);
        _file = (parent, name, temporary, handle, entry.Node, AttributesOf(node) with { Mode = node.Mode });
        _written = 0;
    }

    private void CloseFile(ulong handle, ulong node)
    {
        folder.Close(handle);
        folder.Forget(node, 1);
        _file = null;
    }

    private void MakeLink(TreeNode node)
    {
        if (!StaysInside(node.Path, node.Target))
        {
            leftOut($"{Text(node.Path)}: a link that leads out of what is copied, to {Text(node.Target)}");
            return;
        }

        (ulong parent, byte[] name) = Place(node.Path);
        Errno error = folder.MakeSymbolicLink(parent, name, node.Target, default, out FileEntry entry);
        if (error == Errno.EEXIST && folder.Unlink(parent, name) == Errno.None)
        {
            error = folder.MakeSymbolicLink(parent, name, node.Target, default, out entry);
        }

        Check(error, node.Path);
        error = folder.SetAttributes(entry.Node, AttributesOf(node), out _);
        folder.Forget(entry.Node, 1);
        Check(error, node.Path);
    }

    /// <summary>When the node was modified, without its mode: a link has none.</summary>
    private static AttributeChange AttributesOf(TreeNode node) => node.Modified is { } time
        ? new AttributeChange { ChangeModificationTime = TimeChange.Value, ModificationTime = time }
        : default;

    private static void Check(Errno error, byte[] path)
    {
        if (error != Errno.None)
        {
            throw new StrataException(StrataError.Host, $"\"{Text(path)}\" cannot be written on the host ({error}); check its folder's permissions, and what is there.");
        }
    }

    private static string Text(byte[] path) => Control.Printable.Text(Encoding.UTF8.GetString(path));
}
