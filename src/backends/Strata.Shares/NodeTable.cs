using System.Diagnostics.CodeAnalysis;
using Strata.Core.Sharing;

namespace Strata.Shares;

/// <summary>
/// The nodes that a guest knows, and the descriptors behind them. Descriptors are few and nodes are many: the node used least
/// recently is let go and found again, and compared with what it was, when it is needed.
/// </summary>
/// <param name="mostNodes">Nodes that the guest may know at a time.</param>
/// <param name="mostForgotten">Nodes beside those that are remembered in case the guest comes back with a handle.</param>
/// <param name="mostHeld">Nodes that are held by a descriptor; orphans and open ones come on top, each as many at most.</param>
internal sealed partial class NodeTable(int mostNodes, int mostHeld, int mostForgotten) : IDisposable
{
    /// <summary>Folders inside each other that are looked through to find a node again.</summary>
    private const int DeepestPath = 4096;

    private const uint KindMask = 0xF000;

    private readonly Dictionary<ulong, Node> _byId = [];
    private readonly Dictionary<FileKey, Node> _byKey = [];
    private readonly LinkedList<Node> _held = new(); // the least recently used one first
    private readonly List<Node> _path = [];
    private Node? _root;
    private ulong _lastId = IFileShare.Root;
    private int _orphans;

    /// <summary>Takes over the root's descriptor.</summary>
    public void SetRoot(int descriptor, FileKey key, uint kind)
    {
        _root = new Node(IFileShare.Root, key, kind) { Descriptor = descriptor, References = 1 };
        _byId.Add(_root.Id, _root);
        _byKey.Add(key, _root);
    }

    public bool TryGet(ulong id, [NotNullWhen(true)] out Node? node) => _byId.TryGetValue(id, out node);

    public Node? Find(FileKey key) => _byKey.GetValueOrDefault(key);

    /// <summary>The node of a file that was just found, with one reference more; takes over its descriptor.</summary>
    public Errno Adopt(Node parent, ReadOnlySpan<byte> name, int descriptor, FileKey key, uint kind, out Node? node)
    {
        node = Find(key);
        if (node is null)
        {
            if (Count >= mostNodes)
            {
                HostFiles.Close(descriptor);
                return Errno.ENFILE;
            }

            node = new Node(++_lastId, key, kind);
            _byId.Add(node.Id, node);
            _byKey.Add(key, node);
        }

        AddReference(node);
        Hold(node, descriptor);
        Place(node, parent, name);
        return Errno.None;
    }

    /// <summary>The node's descriptor; valid until <see cref="Trim"/>.</summary>
    public Errno Resolve(Node node, out int descriptor)
    {
        descriptor = node.Descriptor;
        if (descriptor >= 0)
        {
            if (node.Place is { } place)
            {
                _held.Remove(place);
                _held.AddLast(place);
            }

            return Errno.None;
        }

        Errno error = FindAgain(node, out descriptor);
        if (error == Errno.None)
        {
            Hold(node, descriptor);
        }

        return error;
    }

    /// <summary>Lets go of descriptors beyond the limit. Called between operations.</summary>
    public void Trim()
    {
        LinkedListNode<Node>? place = _held.First;
        for (int excess = _held.Count - mostHeld; excess > 0 && place is not null; place = _held.First, excess--)
        {
            Release(place.Value);
        }
    }

    /// <summary>The guest gives references back.</summary>
    public void Forget(ulong id, ulong count)
    {
        if (id == IFileShare.Root || !_byId.TryGetValue(id, out Node? node))
        {
            return;
        }

        node.References -= Math.Min(count, node.References);
        DropUnused(node);
    }

    /// <summary>The file has this name now.</summary>
    public void Place(Node node, Node parent, ReadOnlySpan<byte> name)
    {
        if (node == _root || node == parent)
        {
            return;
        }

        if (!name.SequenceEqual(node.Name))
        {
            node.Name = name.ToArray();
        }

        if (node.Parent != parent)
        {
            parent.Children++;
            Node? old = node.Parent;
            node.Parent = parent;
            if (node.Forgotten is not null)
            {
                parent.ForgottenChildren++;
                old!.ForgottenChildren--;
            }

            Leave(old);
        }

        if (node.IsOrphan)
        {
            node.IsOrphan = false;
            _orphans--;
            Shelve(node);
        }
    }

    /// <summary>The file is about to lose its name: it stays held, by this descriptor if it is not.</summary>
    /// <returns>ENFILE if too many are held already; the descriptor belongs to the caller still then.</returns>
    public Errno MakeOrphan(Node node, int descriptor)
    {
        if (node.IsOrphan || node == _root)
        {
            HostFiles.Close(descriptor);
            return Errno.None;
        }

        if (node.Forgotten is not null)
        {
            HostFiles.Close(descriptor);
            Remove(node);
            return Errno.None;
        }

        if (_orphans >= mostHeld)
        {
            return Errno.ENFILE;
        }

        Hold(node, descriptor);
        node.IsOrphan = true;
        _orphans++;
        Unshelve(node);
        return Errno.None;
    }

    public void AddHandle(Node node)
    {
        node.Handles++;
        Unshelve(node);
    }

    public void RemoveHandle(Node node)
    {
        node.Handles--;
        Shelve(node);
    }

    /// <summary>Forgets all but the root.</summary>
    public void Clear()
    {
        foreach (Node node in _byId.Values.Where(node => node != _root && node.Descriptor >= 0))
        {
            HostFiles.Close(node.Descriptor);
        }

        _byId.Clear();
        _byKey.Clear();
        _held.Clear();
        _forgotten.Clear();
        _orphans = 0;
        if (_root is not null)
        {
            _root.Children = 0;
            _root.ForgottenChildren = 0;
            _byId.Add(_root.Id, _root);
            _byKey.Add(_root.Key, _root);
        }
    }

    public void Dispose()
    {
        Clear();
        if (_root is { Descriptor: >= 0 } root)
        {
            HostFiles.Close(root.Descriptor);
            root.Descriptor = -1;
        }
    }

    /// <summary>Walks down from the nearest ancestor that is held. A file that is not what it was is stale.</summary>
    private Errno FindAgain(Node node, out int descriptor)
    {
        descriptor = -1;
        _path.Clear();
        Node? ancestor = node;
        while (ancestor is { Descriptor: < 0 })
        {
            if (_path.Count >= DeepestPath)
            {
                return Errno.ESTALE;
            }

            _path.Add(ancestor);
            ancestor = ancestor.Parent;
        }

        if (ancestor is null)
        {
            return Errno.ESTALE;
        }

        int folder = ancestor.Descriptor;
        Errno error = Errno.None;
        for (int i = _path.Count - 1; i >= 0 && error == Errno.None; i--)
        {
            error = OpenSame(folder, _path[i], out descriptor);
            if (folder != ancestor.Descriptor)
            {
                HostFiles.Close(folder);
            }

            folder = descriptor;
        }

        return error;
    }

    private static Errno OpenSame(int folder, Node node, out int descriptor)
    {
        Errno error = HostFiles.OpenAt(folder, node.Name, HostFiles.PathOnly | HostFiles.NoFollow, 0, out descriptor);
        if (error != Errno.None)
        {
            return error == Errno.ENOENT ? Errno.ESTALE : error;
        }

        error = HostFiles.GetStatus(descriptor, out HostFiles.FileStatus status);
        if (error == Errno.None && FileKey.Of(status) == node.Key && (status.Mode & KindMask) == node.Kind)
        {
            return Errno.None;
        }

        HostFiles.Close(descriptor);
        return error == Errno.None ? Errno.ESTALE : error;
    }

    private void Hold(Node node, int descriptor)
    {
        if (node.Descriptor >= 0)
        {
            HostFiles.Close(descriptor);
            return;
        }

        node.Descriptor = descriptor;
        Shelve(node);
    }

    private void Shelve(Node node)
    {
        bool mayGo = node is { Descriptor: >= 0, IsOrphan: false, Handles: 0, Place: null } && node != _root && _byId.ContainsKey(node.Id);
        if (mayGo)
        {
            node.Place = _held.AddLast(node);
        }
    }

    private void Unshelve(Node node)
    {
        if (node.Place is { } place)
        {
            _held.Remove(place);
            node.Place = null;
        }
    }

    private void Release(Node node)
    {
        Unshelve(node);
        if (node.Descriptor >= 0)
        {
            HostFiles.Close(node.Descriptor);
            node.Descriptor = -1;
        }
    }

    private void Leave(Node? parent)
    {
        if (parent is not null)
        {
            parent.Children--;
            DropUnused(parent);
        }
    }
}
