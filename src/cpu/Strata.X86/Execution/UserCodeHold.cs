namespace Strata.X86.Execution;

/// <summary>
/// While a processor has one, no user code runs on it but that of one process: another one waits at its next instruction, and interrupts
/// lead the kernel on, which finds the process that may run. Immutable.
/// </summary>
/// <param name="AddressSpace">The page of the page tables that the process had in CR3 when its kernel ran for it.</param>
public sealed record UserCodeHold(ulong AddressSpace)
{
    private const ulong PageMask = ~0xFFFUL;
    private const ulong BehindFirst = 0x1000;

    /// <summary>
    /// Linux's page-table isolation has the user's tables in the page behind the kernel's, and tells its PCIDs by this bit. (Linux kernel
    /// documentation, "Page Table Isolation".)
    /// </summary>
    private const ulong IsolatedPcid = 1 << 11;

    /// <summary>Whether user code with these tables may run.</summary>
    public bool Admits(ulong cr3)
    {
        ulong page = cr3 & PageMask;
        return (cr3 & IsolatedPcid) == 0 ? page == AddressSpace : (AddressSpace & BehindFirst) == 0 && page == (AddressSpace | BehindFirst);
    }
}
