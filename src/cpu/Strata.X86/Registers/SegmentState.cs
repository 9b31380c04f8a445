using System.Runtime.InteropServices;

namespace Strata.X86.Registers;

/// <summary>Index of a segment register; the order of the ModRM encoding, then the two system segments.</summary>
public enum SegmentIndex : byte
{
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
    Ldtr = 6,
    Tr = 7,
}

/// <summary>
/// A segment register with its hidden part. <see cref="Attributes"/> holds descriptor bits 40..55 (limit bits left out),
/// Intel SDM Vol. 3A, "Segment Descriptors":
/// <code>
///  16       15 14 13 12  11..8    7 6..5  4 3..0
/// |unusable| G|D/B| L|AVL| zero | P| DPL| S|Type|
/// </code>
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct SegmentState
{
    public const uint TypeMask = 0xF;
    public const uint Accessed = 1 << 0;
    public const uint ReadableOrWritable = 1 << 1;
    public const uint ConformingOrExpandDown = 1 << 2;
    public const uint Code = 1 << 3;
    public const uint NonSystem = 1 << 4;
    public const int DplShift = 5;
    public const uint Present = 1 << 7;
    public const uint Available = 1 << 12;
    public const uint Long = 1 << 13;
    public const uint Big = 1 << 14;
    public const uint Granularity = 1 << 15;

    /// <summary>Loaded with a null selector: any use faults outside 64-bit mode.</summary>
    public const uint Unusable = 1 << 16;

    /// <summary>All bits that mean something.</summary>
    public const uint AllAttributes = 0x1_F0FF;

    public ulong Base;

    /// <summary>In bytes, inclusive; granularity already applied.</summary>
    public uint Limit;

    public uint Attributes;
    public ushort Selector;
    private readonly ushort _padding0;
    private readonly uint _padding1;

    public readonly int Dpl => (int)(Attributes >> DplShift) & 3;

    public readonly bool IsCode => (Attributes & (Code | NonSystem)) == (Code | NonSystem);

    public readonly bool IsUsable => (Attributes & Unusable) == 0;
}

/// <summary>GDTR or IDTR.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DescriptorTableRegister
{
    public ulong Base;

    /// <summary>In bytes, inclusive.</summary>
    public uint Limit;

    private readonly uint _padding;
}
