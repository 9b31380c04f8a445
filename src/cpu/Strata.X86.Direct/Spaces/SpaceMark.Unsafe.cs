using Strata.Core.Bus;
using Strata.X86.Registers;

namespace Strata.X86.Direct.Spaces;

/// <summary>
/// Tells an address space from the next one whose top table is the same page: kernels use the pages of a process that has ended for the
/// next. A program's stack lies at the end of user addresses for all of its life, behind tables of its own and, with random
/// addresses, not at the place of another's.
/// </summary>
internal static unsafe class SpaceMark
{
    private const int LastUserEntry = 255;
    private const int Entries = 512;

    /// <summary>A number that stays the same while the space's stack is where it is; 0 where there is none.</summary>
    public static ulong Of(in X86CpuState state, AddressSpace memory)
    {
        ulong* top = PageTablePeek.Find(memory, state.Cr3);
        if (top == null)
        {
            return 0;
        }

        // SAFETY: both tables are whole pages of RAM.
        ulong entry = Volatile.Read(ref top[LastUserEntry]);
        ulong* table = (entry & PageTablePeek.Present) != 0 ? PageTablePeek.Find(memory, entry) : null;
        if (table == null)
        {
            return 0;
        }

        for (int i = Entries - 1; i >= 0; i--)
        {
            ulong next = Volatile.Read(ref table[i]);
            if ((next & PageTablePeek.Present) != 0)
            {
                return (entry & PageTablePeek.AddressMask) ^ ulong.RotateLeft(next & PageTablePeek.AddressMask, 20) ^ (ulong)i;
            }
        }

        return 0;
    }
}
