using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>The address spaces of one vCPU that have been executed directly of late, by the guest's top page table.</summary>
internal sealed class UserSpaces(StubHost host, DirectCounters counters)
{
    /// <summary>Each is a process of the host.</summary>
    private const int Most = 16;

    private readonly Dictionary<ulong, UserSpace> _spaces = [];
    private long _uses;

    /// <summary>All of them.</summary>
    public IEnumerable<UserSpace> All => _spaces.Values;

    /// <summary>The space of a table; a new one takes the place of the one that has not been used for longest.</summary>
    public UserSpace Find(ulong table)
    {
        if (!_spaces.TryGetValue(table, out UserSpace? space))
        {
            if (_spaces.Count == Most)
            {
                (ulong oldest, UserSpace gone) = _spaces.MinBy(pair => pair.Value.UsedAt);
                gone.Dispose();
                _spaces.Remove(oldest);
            }

            _spaces[table] = space = new UserSpace(host, counters);
        }

        space.UsedAt = ++_uses;
        return space;
    }

    /// <summary>Every space of a slot of the TLB is to be compared with the guest's tables before it is used again.</summary>
    public void Stale(int slot)
    {
        foreach (UserSpace space in _spaces.Values)
        {
            space.IsStale |= space.Slot == slot;
        }
    }

    /// <summary>Every page of every space is to be looked at before it is used again, for the notes that a write needs.</summary>
    public void Distrust()
    {
        foreach (UserSpace space in _spaces.Values)
        {
            space.Distrust();
        }
    }

    /// <summary>A range is to be compared before it is used again, in every space.</summary>
    public void Drop(ulong address, ulong length)
    {
        foreach (UserSpace space in _spaces.Values)
        {
            space.Drop(address, length);
        }
    }

    /// <summary>Takes the rights to write to a page of RAM away.</summary>
    /// <returns>True if there was one.</returns>
    public bool RevokeWrite(ulong ramPage)
    {
        bool any = false;
        foreach (UserSpace space in _spaces.Values)
        {
            any |= space.RevokeWrite(ramPage);
        }

        return any;
    }

    /// <summary>Ends every process.</summary>
    public void Clear()
    {
        foreach (UserSpace space in _spaces.Values)
        {
            space.Dispose();
        }

        _spaces.Clear();
    }
}
