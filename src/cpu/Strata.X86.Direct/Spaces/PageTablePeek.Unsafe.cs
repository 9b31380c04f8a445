using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Direct.Stub;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// Looks at the guest's tables, four levels deep, without a trace: what a program has used already can be mapped before it asks.
/// Intel SDM Vol. 3A, "4-Level Paging".
/// </summary>
internal static unsafe class PageTablePeek
{
    public const ulong Present = 1;
    public const ulong Writable = 2;
    public const ulong User = 4;
    public const ulong Accessed = 0x20;
    public const ulong Dirty = 0x40;
    public const ulong Large = 0x80;
    public const ulong NoExecute = 1UL << 63;
    public const ulong AddressMask = ((1UL << PageWalker.PhysicalAddressBits) - 1) & ~0xFFFUL;
    public const ulong Reserved = ((1UL << 52) - 1) & ~((1UL << PageWalker.PhysicalAddressBits) - 1);

    /// <summary>What the levels above must grant for a page to be a program's.</summary>
    public const ulong Granted = User | Accessed;

    private const int TopShift = 39;
    private const int LargestShift = 30;
    private const int TableShift = 21;

    /// <summary>Whether the guest's top table has nothing where the stub is.</summary>
    public static bool IsSlotFree(in X86CpuState state, AddressSpace memory)
    {
        ulong* top = Find(memory, state.Cr3);
        return top != null && (Volatile.Read(ref top[StubLayout.Base >> StubLayout.SlotShift]) & Present) == 0;
    }

    /// <summary>Finds the entries of 2 MiB of user addresses.</summary>
    /// <param name="path">Of the entries above: rights that all of them grant, and NX if any of them has it.</param>
    /// <param name="table">The page table; null if the region lies in a large page.</param>
    /// <param name="first">What the first entry would be if it lies in a large page.</param>
    /// <returns>False if a program has nothing there, or has not used it.</returns>
    public static bool TryFindTable(
        in X86CpuState state, AddressSpace memory, ulong address, out ulong path, out ulong* table, out ulong first)
    {
        const ulong kept = Present | Writable | User | Accessed | Dirty | NoExecute;
        path = Writable | Granted;
        first = 0;
        table = null;
        ulong noExecute = 0;
        ulong* level = Find(memory, state.Cr3);
        for (int shift = TopShift; level != null; shift -= 9)
        {
            ulong entry = Volatile.Read(ref level[(address >> shift) & 0x1FF]);
            if ((entry & Present) == 0 || (entry & Reserved) != 0 || (path & entry & Granted) != Granted)
            {
                return false;
            }

            if (shift <= LargestShift && (entry & Large) != 0)
            {
                ulong inside = (1UL << shift) - 1;
                path |= noExecute;
                first = (entry & kept) | (entry & AddressMask & ~inside) | (address & inside & ~((1UL << TableShift) - 1));
                return true;
            }

            path &= entry;
            noExecute |= entry & NoExecute;
            level = Find(memory, entry);
            if (shift == TableShift)
            {
                path |= noExecute;
                table = level;
                return level != null;
            }
        }

        return false;
    }

    /// <summary>Lists the regions of 2 MiB in which a program has something, in their order, up to a number.</summary>
    public static void ListRegions(in X86CpuState state, AddressSpace memory, List<ulong> regions, int most) =>
        ListRegions(memory, state.Cr3, TopShift, 0, regions, most);

    private static void ListRegions(AddressSpace memory, ulong at, int shift, ulong address, List<ulong> regions, int most)
    {
        ulong* level = Find(memory, at);
        int entries = shift == TopShift ? 256 : 512; // the upper half is the kernel's
        for (int i = 0; level != null && i < entries && regions.Count < most; i++)
        {
            ulong entry = Volatile.Read(ref level[i]);
            ulong below = address | ((ulong)i << shift);
            if ((entry & (Present | Granted)) != (Present | Granted) || (entry & Reserved) != 0)
            {
                continue;
            }

            if (shift == TableShift)
            {
                regions.Add(below >> TableShift);
            }
            else if (shift == LargestShift && (entry & Large) != 0)
            {
                for (ulong region = 0; region < 512 && regions.Count < most; region++)
                {
                    regions.Add((below >> TableShift) + region);
                }
            }
            else
            {
                ListRegions(memory, entry, shift - 9, below, regions, most);
            }
        }
    }

    /// <summary>The table that an entry, or CR3, leads to.</summary>
    /// <returns>Null if there is no RAM.</returns>
    public static ulong* Find(AddressSpace memory, ulong entry) => memory.TryGetRamPage(entry & AddressMask, out RamPage page)
        ? (ulong*)(page.Memory.Base + (page.Index << GuestMemory.PageShift)) : null;
}
