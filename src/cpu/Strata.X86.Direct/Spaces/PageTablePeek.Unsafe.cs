using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Direct.Stub;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// Looks at a page of the guest's tables, four levels deep, without a trace: what a program has used already can be mapped before it asks.
/// Intel SDM Vol. 3A, "4-Level Paging".
/// </summary>
internal static unsafe class PageTablePeek
{
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong Accessed = 0x20;
    private const ulong Dirty = 0x40;
    private const ulong Large = 0x80;
    private const ulong NoExecute = 1UL << 63;
    private const ulong AddressMask = ((1UL << PageWalker.PhysicalAddressBits) - 1) & ~0xFFFUL;
    private const ulong Reserved = ((1UL << 52) - 1) & ~((1UL << PageWalker.PhysicalAddressBits) - 1);

    /// <summary>Whether the guest's top table has nothing where the stub is.</summary>
    public static bool IsSlotFree(in X86CpuState state, AddressSpace memory) =>
        TryLoad(memory, (state.Cr3 & AddressMask) + ((StubLayout.Base >> StubLayout.SlotShift) * 8), out ulong entry)
        && (entry & Present) == 0;

    /// <summary>The page of user code that is mapped at an address and has been used.</summary>
    /// <param name="gpa">Guest-physical address of the page.</param>
    /// <param name="rights">To write only where the guest's table says that the page has been written.</param>
    public static bool TryFind(in X86CpuState state, AddressSpace memory, ulong va, out ulong gpa, out PageRights rights)
    {
        gpa = 0;
        rights = PageRights.None;
        ulong path = Writable | User | Accessed;
        ulong table = state.Cr3 & AddressMask;
        bool noExecute = false;
        for (int shift = 39; ; shift -= 9)
        {
            if (!TryLoad(memory, table + (((va >> shift) & 0x1FF) * 8), out ulong entry)
                || (entry & Present) == 0 || (entry & Reserved) != 0)
            {
                return false;
            }

            path &= entry;
            noExecute |= (entry & NoExecute) != 0;
            bool isLeaf = shift == 12 || (shift is 21 or 30 && (entry & Large) != 0);
            if (!isLeaf)
            {
                table = entry & AddressMask;
                continue;
            }

            if ((path & (User | Accessed)) != (User | Accessed) || (noExecute && (state.EferMsr & Efer.NXE) == 0))
            {
                return false;
            }

            ulong offset = (1UL << shift) - 1;
            gpa = (entry & AddressMask & ~offset) | (va & offset & ~0xFFFUL);
            rights = PageRights.Read | (noExecute ? 0 : PageRights.Execute)
                | ((path & Writable) != 0 && (entry & Dirty) != 0 ? PageRights.Write : 0);
            return true;
        }
    }

    private static bool TryLoad(AddressSpace memory, ulong address, out ulong entry)
    {
        entry = 0;
        if (!memory.TryGetRamPage(address & ~0xFFFUL, out RamPage page))
        {
            return false;
        }

        // SAFETY: the page lies in the mapping and an aligned entry never crosses it.
        entry = Volatile.Read(ref *(ulong*)(page.Memory.Base + (page.Index << GuestMemory.PageShift) + (address & 0xFF8)));
        return true;
    }
}
