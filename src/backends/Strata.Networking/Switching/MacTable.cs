using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>
/// Which port leads to a station. Entries age; a full table forgets the one that was heard of longest ago. Under the switch's gate.
/// </summary>
internal sealed class MacTable(int capacity, long ageNanoseconds)
{
    private readonly Dictionary<(ushort Vlan, MacAddress Mac), LinkedListNode<Entry>> _entries = [];
    private readonly LinkedList<Entry> _byUse = new(); // heard of longest ago first

    public int Count => _entries.Count;

    public void Learn(ushort vlan, MacAddress mac, SwitchPort port, long now)
    {
        if (_entries.TryGetValue((vlan, mac), out LinkedListNode<Entry>? node))
        {
            node.Value = new Entry(vlan, mac, port, now);
            _byUse.Remove(node);
            _byUse.AddLast(node);
            return;
        }

        while (_byUse.First is { } oldest && (_entries.Count >= capacity || now - oldest.Value.Heard > ageNanoseconds))
        {
            Remove(oldest);
        }

        _entries.Add((vlan, mac), _byUse.AddLast(new Entry(vlan, mac, port, now)));
    }

    public SwitchPort? Find(ushort vlan, MacAddress mac, long now)
    {
        if (!_entries.TryGetValue((vlan, mac), out LinkedListNode<Entry>? node))
        {
            return null;
        }

        if (now - node.Value.Heard <= ageNanoseconds)
        {
            return node.Value.Port;
        }

        Remove(node);
        return null;
    }

    /// <summary>Stations behind a port, those heard of longest ago first.</summary>
    public IReadOnlyList<MacAddress> Behind(SwitchPort port, int most) =>
        [.. _byUse.Where(entry => entry.Port == port).Select(entry => entry.Mac).Distinct().Take(most)];

    /// <summary>A port whose link was cut leads nowhere any more.</summary>
    public void Forget(SwitchPort port)
    {
        for (LinkedListNode<Entry>? node = _byUse.First; node is not null;)
        {
            LinkedListNode<Entry>? next = node.Next;
            if (node.Value.Port == port)
            {
                Remove(node);
            }

            node = next;
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _byUse.Remove(node);
        _entries.Remove((node.Value.Vlan, node.Value.Mac));
    }

    private readonly record struct Entry(ushort Vlan, MacAddress Mac, SwitchPort Port, long Heard);
}
