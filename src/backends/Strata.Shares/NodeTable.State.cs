using Strata.Core.Sharing;
using Strata.Core.State;

namespace Strata.Shares;

/// <content>The table as a part of a share's state.</content>
internal sealed partial class NodeTable
{
    private const int IdentityNumbers = 5;
    private const int ContentNumbers = 3;

    internal delegate Errno NameCheck(ReadOnlySpan<byte> name);

    /// <summary>The number given last.</summary>
    public ulong LastId => _lastId;

    public Node Root => _root!;

    /// <summary>All nodes but the root and those given back, by number, but a folder before what is in it.</summary>
    public IReadOnlyList<SharedNodeState> Save(int most)
    {
        List<SharedNodeState> states = [];
        HashSet<Node> done = [_root!];
        Stack<Node> path = [];
        foreach (Node node in _byId.Values.Where(node => node.Forgotten is null).OrderBy(node => node.Id))
        {
            for (Node? above = node; above is not null && done.Add(above); above = ParentOf(above))
            {
                path.Push(above);
            }

            while (path.TryPop(out Node? next) && states.Count < most)
            {
                states.Add(StateOf(next));
            }

            path.Clear();
        }

        return states;
    }

    /// <summary>Makes nodes of a record, without a change of the table.</summary>
    /// <exception cref="StateException">They cannot be the nodes of a share.</exception>
    public List<Node> Read(IReadOnlyList<SharedNodeState> states, ulong lastId, NameCheck check)
    {
        if (states.Count >= mostNodes)
        {
            throw Refuse($"it has {states.Count} nodes, and a guest of this host may know {mostNodes}");
        }

        Dictionary<ulong, Node> known = new() { [IFileShare.Root] = _root! };
        HashSet<FileKey> keys = [_root!.Key];
        List<Node> nodes = [];
        foreach (SharedNodeState state in states)
        {
            Node? parent = null;
            bool isLost = state is { Parent: 0, Name.Length: 0 };
            if (state.Node > lastId || state.Identity.Length != IdentityNumbers || state.Content.Length is not (0 or ContentNumbers)
                || (!isLost && (check(state.Name) != Errno.None || !known.TryGetValue(state.Parent, out parent))))
            {
                throw Refuse($"node {state.Node} is none of a share");
            }

            Node node = new(state.Node, KeyOf(state.Identity), state.Kind)
            {
                References = state.References,
                Opened = state.Content is [var seconds, var nanoseconds, var size]
                    ? new FileVersion((long)seconds, (uint)nanoseconds, size)
                    : null,
                Name = state.Name,
                Parent = parent,
            };
            if (!known.TryAdd(node.Id, node) || !keys.Add(node.Key))
            {
                throw Refuse($"node {state.Node} is there twice");
            }

            nodes.Add(node);
        }

        return nodes;
    }

    /// <summary>
    /// Takes over what <see cref="Read"/> made; nothing but the root is known before. Files are found when they are needed.
    /// </summary>
    public void Load(List<Node> nodes, ulong lastId)
    {
        _lastId = lastId;
        foreach (Node node in nodes)
        {
            _byId.Add(node.Id, node);
            _byKey.Add(node.Key, node);
            if (node.Parent is { } parent)
            {
                parent.Children++;
            }
        }
    }

    /// <summary>A file that lost its name is held by its descriptor, which does not come along.</summary>
    private Node? ParentOf(Node node) => node.IsOrphan ? null : node.Parent;

    private SharedNodeState StateOf(Node node)
    {
        Node? parent = ParentOf(node);
        FileKey key = node.Key;
        return new SharedNodeState
        {
            Node = node.Id,
            Parent = parent?.Id ?? 0,
            Name = parent is null ? [] : node.Name,
            Kind = node.Kind,
            References = node.References,
            Identity = [key.VolumeMajor, key.VolumeMinor, key.Inode, (ulong)key.BirthSeconds, key.BirthNanoseconds],
            Content = node.Opened is { } version ? [(ulong)version.ChangeSeconds, version.ChangeNanoseconds, version.Size] : [],
        };
    }

    private static FileKey KeyOf(ulong[] numbers) =>
        new((uint)numbers[0], (uint)numbers[1], numbers[2], (long)numbers[3], (uint)numbers[4]);

    private static StateException Refuse(string why) => new($"The record of the shared folder is wrong: {why}.");
}
