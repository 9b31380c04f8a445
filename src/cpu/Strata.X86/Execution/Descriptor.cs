using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>
/// An 8-byte segment descriptor or gate as it lies in memory. Intel SDM Vol. 3A, "Segment Descriptors" and "Gate Descriptors".
/// </summary>
/// <param name="Raw">The first eight bytes.</param>
public readonly record struct Descriptor(ulong Raw)
{
    public const uint TypeTss16Available = 1;
    public const uint TypeLdt = 2;
    public const uint TypeTss16Busy = 3;
    public const uint TypeCallGate16 = 4;
    public const uint TypeTaskGate = 5;
    public const uint TypeInterruptGate16 = 6;
    public const uint TypeTrapGate16 = 7;
    public const uint TypeTssAvailable = 9;
    public const uint TypeTssBusy = 11;
    public const uint TypeCallGate = 12;
    public const uint TypeInterruptGate = 14;
    public const uint TypeTrapGate = 15;

    /// <summary>Descriptor bits 40..55 with the limit bits cleared: the format of <see cref="SegmentState.Attributes"/>.</summary>
    public uint Attributes => (uint)(Raw >> 40) & 0xF0FF;

    public uint Type => (uint)(Raw >> 40) & 0xF;

    public bool IsSystem => (Attributes & SegmentState.NonSystem) == 0;

    public bool IsCode => (Attributes & (SegmentState.NonSystem | SegmentState.Code)) == (SegmentState.NonSystem | SegmentState.Code);

    public bool IsData => (Attributes & (SegmentState.NonSystem | SegmentState.Code)) == SegmentState.NonSystem;

    public bool IsReadable => !IsCode || (Attributes & SegmentState.ReadableOrWritable) != 0;

    public bool IsWritable => IsData && (Attributes & SegmentState.ReadableOrWritable) != 0;

    public bool IsConforming => IsCode && (Attributes & SegmentState.ConformingOrExpandDown) != 0;

    public bool IsPresent => (Attributes & SegmentState.Present) != 0;

    public bool IsLong => (Attributes & SegmentState.Long) != 0;

    public bool IsBig => (Attributes & SegmentState.Big) != 0;

    public int Dpl => (int)(Attributes >> SegmentState.DplShift) & 3;

    public uint Base => (uint)((Raw >> 16) & 0xFFFFFF) | (uint)((Raw >> 56) << 24);

    /// <summary>In bytes, inclusive; granularity applied.</summary>
    public uint Limit
    {
        get
        {
            uint limit = (uint)(Raw & 0xFFFF) | (uint)((Raw >> 32) & 0xF0000);
            return (Attributes & SegmentState.Granularity) != 0 ? (limit << 12) | 0xFFF : limit;
        }
    }

    /// <summary>Target selector of a gate.</summary>
    public ushort GateSelector => (ushort)(Raw >> 16);

    /// <summary>Low 32 bits of a gate's offset; 16-bit gates have only the low 16.</summary>
    public uint GateOffset => (uint)(Raw & 0xFFFF) | (uint)((Raw >> 32) & 0xFFFF0000);

    /// <summary>Parameter count of a call gate.</summary>
    public int GateParameters => (int)(Raw >> 32) & 0x1F;

    /// <summary>Interrupt-stack-table index of a 64-bit gate.</summary>
    public int GateIst => (int)(Raw >> 32) & 7;

    public SegmentState ToSegment(ushort selector) => new()
    {
        Selector = selector,
        Base = Base,
        Limit = Limit,
        Attributes = Attributes,
    };
}
