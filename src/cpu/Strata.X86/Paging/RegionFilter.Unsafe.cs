using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Strata.X86.Paging;

/// <summary>
/// A set of address regions that may answer "yes" wrongly, about once in a thousand for a thousand regions, but never "no": a Bloom
/// filter with two bits a region. Kernels invalidate the same pages again and again, so one wrong "yes" can cost on every flush.
/// </summary>
public sealed unsafe class RegionFilter
{
    /// <summary>log2 of the number of bits: an index is the hash's highest bits, the other one what follows below them.</summary>
    public const int IndexBits = 16;

    /// <summary>A region's hash: its product with this number, modulo 2^64.</summary>
    public const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private readonly ulong[] _words = GC.AllocateArray<ulong>(1 << (IndexBits - 6), pinned: true);

    /// <summary>The bits, for code that is emitted. Valid as long as this object is.</summary>
    public ulong* Bits => (ulong*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_words));

    /// <param name="region">An address without the bits within a region.</param>
    public void Add(ulong region)
    {
        (uint first, uint second) = BitsOf(region);
        _words[first >> 6] |= 1UL << (int)(first & 63);
        _words[second >> 6] |= 1UL << (int)(second & 63);
    }

    /// <inheritdoc cref="Add" path="/param"/>
    public bool MayHold(ulong region)
    {
        (uint first, uint second) = BitsOf(region);
        return ((_words[first >> 6] >> (int)(first & 63)) & (_words[second >> 6] >> (int)(second & 63)) & 1) != 0;
    }

    public void Clear() => Array.Clear(_words);

    private static (uint First, uint Second) BitsOf(ulong region)
    {
        ulong hash = region * Multiplier;
        return ((uint)(hash >> (64 - IndexBits)), (uint)(hash >> (64 - (2 * IndexBits))) & ((1 << IndexBits) - 1));
    }
}
