using System.Runtime.InteropServices;

namespace Strata.X86.Paging;

/// <summary>
/// One software-TLB entry, 32 bytes. A tag is the page address if that kind of access may go straight to host memory, and
/// <see cref="Tlb.NoTag"/> (or <see cref="Tlb.FirstNoTag"/>) otherwise, so that a hit is one comparison: <c>((va + size - 1) &amp; ~0xFFF) == tag</c>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct TlbEntry
{
    public ulong Read;
    public ulong Write;
    public ulong Execute;

    /// <summary>Host address minus guest-virtual address.</summary>
    public long Addend;
}
