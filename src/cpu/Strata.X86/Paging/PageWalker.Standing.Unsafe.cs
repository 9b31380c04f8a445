using Strata.Core.Bus;
using Strata.Core.Memory;
using Strata.X86.Registers;

namespace Strata.X86.Paging;

/// <content>Whether known translations still hold.</content>
public static unsafe partial class PageWalker
{
    /// <summary>
    /// Whether user code in pages is fetched from where it was: every entry on the way is present, the user's, executable and accessed,
    /// so that a processor may have the translation in its TLB now. Four-level tables with pages of 4 KiB only.
    /// </summary>
    /// <param name="pages">Linear addresses of pages, and their host pages.</param>
    /// <returns>False, too, for what would need a closer look.</returns>
    public static bool StillLead(in X86CpuState state, AddressSpace bus, IReadOnlyCollection<KeyValuePair<ulong, nint>> pages)
    {
        ArgumentNullException.ThrowIfNull(bus);
        ArgumentNullException.ThrowIfNull(pages);
        if ((state.Cr0 & Cr0.PG) == 0 || (state.EferMsr & Efer.LMA) == 0)
        {
            return false;
        }

        ulong region = ulong.MaxValue;
        ulong* table = null;
        foreach ((ulong va, nint host) in pages)
        {
            if (va >> 21 != region)
            {
                region = va >> 21;
                table = FindTable(state.Cr3 & AddressMask, bus, va);
            }

            // SAFETY: a table is a page of the guest's RAM, and the index has nine bits.
            if (table == null || !TryFollow(Volatile.Read(ref table[(va >> 12) & 0x1FF]), bus, out byte* page) || (nint)page != host)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The table of the lowest level for an address; null where the way there is not plain.</summary>
    private static ulong* FindTable(ulong top, AddressSpace bus, ulong va)
    {
        const int lowest = 21;
        ulong entry = top | Present | UserBit | AccessedBit;
        for (int shift = 39; shift >= lowest; shift -= 9)
        {
            // SAFETY: as above.
            if (!TryFollow(entry, bus, out byte* table))
            {
                return null;
            }

            entry = Volatile.Read(ref ((ulong*)table)[(va >> shift) & 0x1FF]);
            if ((entry & LargeBit) != 0)
            {
                return null;
            }
        }

        return TryFollow(entry, bus, out byte* last) ? (ulong*)last : null;
    }

    private static bool TryFollow(ulong entry, AddressSpace bus, out byte* page)
    {
        const ulong needed = Present | UserBit | AccessedBit;
        page = null;
        if ((entry & needed) != needed || (entry & (NoExecute | ReservedHigh)) != 0
            || !bus.TryGetRamPage(entry & AddressMask, out RamPage ram))
        {
            return false;
        }

        // SAFETY: the page lies in the mapping.
        page = ram.Memory.Base + (ram.Index << GuestMemory.PageShift);
        return true;
    }
}
