using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Direct.Stub;
using Strata.X86.Execution;
using Strata.X86.Registers;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// What the tables of the guest's present address space say of its programs' pages, a region of 2 MiB at a time. On the vCPU's thread.
/// </summary>
/// <param name="cpu">Whose tables.</param>
/// <param name="ram">What can be mapped.</param>
internal sealed unsafe class GuestTables(X86Cpu cpu, GuestMemory ram)
{
    private const ulong NoExecuteIsOn = 1UL << 62; // in Path only

    private readonly ulong[] _entries = new ulong[MappedRegion.Pages];
    private readonly bool?[] _identifies = new bool?[MappedRegion.Pages];

    /// <summary>Where RAM lies: another map is another object.</summary>
    public MemoryMap Map => cpu.Memory.Current;

    /// <summary>The entries of the region that <see cref="Read"/> has looked at.</summary>
    public ReadOnlySpan<ulong> Entries => _entries;

    /// <summary>What led to them; 0 if a program has nothing there.</summary>
    public ulong Path { get; private set; }

    /// <summary>Whether a region's table has the same entries still.</summary>
    public bool Shows(ulong region, ReadOnlySpan<ulong> entries, ulong path)
    {
        if (!PageTablePeek.TryFindTable(
                in cpu.Context->State, cpu.Memory, region << 21, out ulong found, out ulong* table, out ulong first)
            || PathOf(found) != path)
        {
            return false;
        }

        if (table != null)
        {
            // SAFETY: a table is a whole page of RAM. Entries that change meanwhile are followed by a flush.
            return entries.SequenceEqual(new ReadOnlySpan<ulong>(table, MappedRegion.Pages));
        }

        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i] != EntryInLargePage(first, i))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Looks at a region.</summary>
    /// <param name="region">Its number: the address by 2 MiB.</param>
    public void Read(ulong region)
    {
        _identifies.AsSpan().Clear();
        if (!PageTablePeek.TryFindTable(in cpu.Context->State, cpu.Memory, region << 21, out ulong path, out ulong* table, out ulong first))
        {
            Path = 0;
            _entries.AsSpan().Clear();
            return;
        }

        Path = PathOf(path);
        for (int i = 0; i < MappedRegion.Pages; i++)
        {
            // SAFETY: a table is a whole page of RAM.
            _entries[i] = table == null ? EntryInLargePage(first, i) : Volatile.Read(ref table[i]);
        }
    }

    /// <summary>
    /// The page of the region that a program has used, with the rights that need no note of a write: to write only where the guest's table
    /// says that the page has been written.
    /// </summary>
    public bool TryFind(int index, out MappedPage found)
    {
        found = default;
        ulong entry = _entries[index];
        ulong granted = entry & Path;
        bool noExecute = ((entry | Path) & PageTablePeek.NoExecute) != 0;
        if ((granted & PageTablePeek.Granted) != PageTablePeek.Granted
            || (entry & PageTablePeek.Present) == 0 || (entry & PageTablePeek.Reserved) != 0 || (noExecute && (Path & NoExecuteIsOn) == 0)
            || !cpu.Memory.TryGetRamPage(entry & PageTablePeek.AddressMask, out RamPage page) || page.Memory != ram || page.ReadOnly)
        {
            return false;
        }

        bool isWritable = (granted & PageTablePeek.Writable) != 0 && (entry & PageTablePeek.Dirty) != 0
            && ram.IsDirty(page.Index) && ram.WatchFlags[page.Index] == 0; // otherwise the first write has to be noted
        bool isExecutable = !noExecute && !Identifies(index, page.Index);
        found = new MappedPage(
            page.Index, PageRights.Read | (isExecutable ? PageRights.Execute : 0) | (isWritable ? PageRights.Write : 0));
        return true;
    }

    /// <summary>Whether code in a page asks which processor it runs on: the CPU itself does not execute such pages.</summary>
    public bool Identifies(int index, ulong ramPage) =>
        _identifies[index] ??= IdentificationSearch.IsIn(BytesOf(ramPage), FirstBehind(index));

    private byte? FirstBehind(int index) =>
        index + 1 < MappedRegion.Pages && (_entries[index + 1] & PageTablePeek.Present) != 0
            && cpu.Memory.TryGetRamPage(_entries[index + 1] & PageTablePeek.AddressMask, out RamPage page) && page.Memory == ram
            ? BytesOf(page.Index)[0] : null;

    // SAFETY: a page of this RAM; what other processors write meanwhile is seen or not.
    private ReadOnlySpan<byte> BytesOf(ulong ramPage) =>
        new(ram.Base + (ramPage << GuestMemory.PageShift), 1 << GuestMemory.PageShift);

    /// <summary>The regions in which a program has something, up to a number.</summary>
    public void ListRegions(List<ulong> regions, int most) =>
        PageTablePeek.ListRegions(in cpu.Context->State, cpu.Memory, regions, most);

    private static ulong EntryInLargePage(ulong first, int index) => first + ((ulong)index << GuestMemory.PageShift);

    private ulong PathOf(ulong path) => path | PageTablePeek.Present | ((cpu.Context->State.EferMsr & Efer.NXE) != 0 ? NoExecuteIsOn : 0);
}
