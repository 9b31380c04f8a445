using System.Runtime.InteropServices;

namespace Strata.X86.Paging;

/// <summary>Where the parts of a <see cref="Tlb"/> lie that code fills which an engine emits.</summary>
public readonly unsafe struct TlbLayout
{
    /// <summary>Entries that are noted together as filled, as a power of two: what a flush has to empty.</summary>
    public const int GroupBits = 3;

    /// <summary>All sets, one behind the other; a set's number is its slot's times four and its <see cref="TlbPrivilege"/>.</summary>
    public TlbEntry* Entries { get; init; }

    /// <inheritdoc cref="Tlb.Victims"/>
    public VictimEntry* Victims { get; init; }

    /// <summary>By <see cref="PageWriter.IndexOf"/>.</summary>
    public PageWriter* Writers { get; init; }

    /// <summary>One bit for each group of entries.</summary>
    public ulong* Filled { get; init; }

    /// <summary>One byte a set: not zero if anything has been filled since the last flush.</summary>
    public bool* Used { get; init; }

    /// <summary>Bits of the <see cref="RegionFilter"/> of 4 MiB regions with large pages.</summary>
    public ulong* LargePages { get; init; }

    /// <summary>The same of regions of 1 GiB.</summary>
    public ulong* GigabytePages { get; init; }
}

/// <summary>Which entries may write to a host page; an element of a hash table that forgets by revoking.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct PageWriter
{
    /// <summary>log2 of the table's elements: an index is the hash's highest bits.</summary>
    public const int IndexBits = 14;

    /// <summary>A page's hash: its host address times this number, modulo 2^64.</summary>
    public const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    /// <summary>Host address; null if the element is free.</summary>
    public byte* Page;

    /// <summary>Entries in any set, or null. What was displaced from one counts as the entry.</summary>
    public TlbEntry* First;
    public TlbEntry* Second;

    /// <summary>More than two: only a scan finds them.</summary>
    public bool IsMany;

    public static int IndexOf(byte* hostPage) => (int)(((ulong)hostPage * Multiplier) >> (64 - IndexBits));
}
