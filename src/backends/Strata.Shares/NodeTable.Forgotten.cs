using Strata.Core.Sharing;

namespace Strata.Shares;

/// <content>
/// Nodes that the guest has given back. A handle of name_to_handle_at(2) outlives that: the guest comes back with the number alone. Some
/// are kept without a descriptor, and found again by their names; those given back longest ago go first.
/// </content>
internal sealed partial class NodeTable
{
    private readonly LinkedList<Node> _forgotten = new(); // children before their folders

    /// <summary>Nodes that the guest refers to, and the folders around them.</summary>
    public int Count => _byId.Count - _forgotten.Count;

    /// <summary>The guest refers to the node once more.</summary>
    public void AddReference(Node node)
    {
        for (Node? known = node; known?.Forgotten is { } place; known = known.Parent)
        {
            _forgotten.Remove(place);
            known.Forgotten = null;
            if (known.Parent is { } parent)
            {
                parent.ForgottenChildren--;
            }
        }

        node.References++;
    }

    /// <summary>Forgets a node that nobody refers to, and its folders if that was all that kept them.</summary>
    private void DropUnused(Node node)
    {
        Node? unused = node;
        while (unused is { References: 0, Forgotten: null } && unused.Children == unused.ForgottenChildren
            && unused != _root && _byId.ContainsKey(unused.Id))
        {
            Node? parent = unused.Parent;
            if (unused.IsOrphan || parent is null)
            {
                Remove(unused);
            }
            else
            {
                Release(unused);
                unused.Forgotten = _forgotten.AddLast(unused);
                parent.ForgottenChildren++;
            }

            unused = parent;
        }

        TrimForgotten();
    }

    private void TrimForgotten()
    {
        for (int left = _forgotten.Count; _forgotten.Count > mostForgotten; left--)
        {
            Node oldest = _forgotten.First!.Value;
            if (oldest.Children > 0 && left > 0)
            {
                _forgotten.RemoveFirst(); // a folder that got another child by a rename waits for it
                oldest.Forgotten = _forgotten.AddLast(oldest);
                continue;
            }

            Remove(oldest);
        }
    }

    private void Remove(Node node)
    {
        _byId.Remove(node.Id);
        _byKey.Remove(node.Key);
        Release(node);
        if (node.IsOrphan)
        {
            node.IsOrphan = false;
            _orphans--;
        }

        Node? parent = node.Parent;
        node.Parent = null;
        if (parent is not null)
        {
            parent.Children--;
        }

        if (node.Forgotten is { } place)
        {
            _forgotten.Remove(place);
            node.Forgotten = null;
            if (parent is not null)
            {
                parent.ForgottenChildren--;
            }
        }
    }
}
