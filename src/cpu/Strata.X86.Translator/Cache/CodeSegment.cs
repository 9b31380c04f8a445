namespace Strata.X86.Translator.Cache;

/// <summary>What code with segments is translated for, besides its bytes: blocks are made anew where one of these differs.</summary>
/// <param name="Base">Of CS: RIPs of sites, and what is pushed, are offsets from it; keys and tags of blocks are linear addresses.</param>
/// <param name="Limit">Of CS, inclusive.</param>
internal readonly record struct CodeSegment(uint Base, uint Limit, SegmentTraits Traits)
{
    /// <summary>Limit of a segment in real mode that no one has changed.</summary>
    public const uint RealLimit = 0xFFFF;

    /// <summary>Code in real mode as nearly all of it runs: far transfers between such segments stay in translated code.</summary>
    public bool IsPlainReal => Traits == (SegmentTraits.Real | SegmentTraits.Open) && Limit == RealLimit;

    /// <summary>
    /// Loads of segment registers have no condition and change nothing that code is translated for. Where CS has 4 GiB, they could make
    /// the processor's segments flat.
    /// </summary>
    public bool LoadsSegments =>
        (Traits & (SegmentTraits.Real | SegmentTraits.Virtual)) != 0 && Has(SegmentTraits.Open) && Limit != uint.MaxValue;

    public bool Has(SegmentTraits trait) => (Traits & trait) != 0;
}

[Flags]
internal enum SegmentTraits : byte
{
    None = 0,

    /// <summary>CS.D.</summary>
    Code32 = 1,

    /// <summary>SS.B: the stack pointer is ESP.</summary>
    Stack32 = 2,

    /// <summary>CR0.PE is clear.</summary>
    Real = 4,

    /// <summary>Virtual-8086 mode.</summary>
    Virtual = 8,

    /// <summary>ES, SS and DS may be read and written up to 64 KiB, and CS read: offsets of 16 bits are within the limits.</summary>
    Open = 16,
}
