using System.Runtime.InteropServices;

namespace Strata.X86.Paging;

/// <summary>
/// One software-TLB entry, 32 bytes. A tag is the page address if that kind of access may go straight to host memory, and
/// one that no such access can match otherwise (<see cref="Tlb.Deny"/>), so that a hit is one comparison: <c>((va + size - 1) &amp; ~0xFFF)
/// == tag</c>.
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

/// <summary>An entry that was displaced by another page's, 64 bytes; see <see cref="Tlb.Victims"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct VictimEntry
{
    public const int Count = 128;

    /// <summary>log2 of an entry's bytes.</summary>
    public const int SizeBits = 6;

    private const ulong None = ulong.MaxValue;

    /// <summary>Linear address of the page; of none all ones, or another value that is no page's.</summary>
    public ulong Page;

    /// <summary>The set that it was in, and may return to.</summary>
    public TlbEntry* Set;
    public TlbEntry Entry;
    private fixed ulong _padding[2];

    /// <summary>Where a page may lie: pages that share an entry of a set share one here, so that they can change places.</summary>
    public static int IndexOf(ulong page) => (int)(page >> 12) & (Count - 1);

    /// <summary>The page that an entry holds; no page's address if it holds none.</summary>
    public static ulong PageOf(TlbEntry* entry) =>
        (entry->Read & 0xFFF) == 0 ? entry->Read : (entry->Write & 0xFFF) == 0 ? entry->Write : entry->Execute;

    public void Forget() => Page = Entry.Write = None;
}
