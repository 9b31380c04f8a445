using Strata.X86.Direct.Stub;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// What a stub has of 2 MiB of an address space, which one page table of the guest describes, and the entries of that table that it was
/// mapped by: while those stand there, nothing has to be looked at page by page.
/// </summary>
internal sealed class MappedRegion
{
    /// <summary>log2 of the pages.</summary>
    public const int Shift = 9;

    public const int Pages = 1 << Shift;

    private readonly ulong[] _ramPages = new ulong[Pages];
    private readonly PageRights[] _rights = new PageRights[Pages];

    /// <summary>The table's entries as they were when the pages were compared with them.</summary>
    public ulong[] Seen { get; } = new ulong[Pages];

    /// <summary>What led to the table (<see cref="GuestTables.Path"/>); null if the pages are to be looked at in any case.</summary>
    public ulong? SeenPath { get; set; }

    /// <summary>To be compared before user code is executed again.</summary>
    public bool IsStale { get; set; }

    /// <summary>Pages that are mapped.</summary>
    public int Count { get; private set; }

    /// <summary>Mappings that the host keeps for them at most.</summary>
    public int Pieces { get; private set; }

    /// <summary>A page; without rights if it is not mapped.</summary>
    public MappedPage this[int index]
    {
        get => new(_ramPages[index], _rights[index]);
        set
        {
            Pieces -= Beginnings(index);
            Count += (value.Rights == PageRights.None ? 0 : 1) - (_rights[index] == PageRights.None ? 0 : 1);
            (_ramPages[index], _rights[index]) = (value.RamPage, value.Rights);
            Pieces += Beginnings(index);
        }
    }

    public bool IsMapped(int index) => _rights[index] != PageRights.None;

    /// <summary>How many of a page and the next begin a mapping.</summary>
    private int Beginnings(int index) => (IsBeginning(index) ? 1 : 0) + (index + 1 < Pages && IsBeginning(index + 1) ? 1 : 0);

    private bool IsBeginning(int index) => IsMapped(index)
        && (index == 0 || _rights[index - 1] != _rights[index] || _ramPages[index - 1] + 1 != _ramPages[index]);
}
