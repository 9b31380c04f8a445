using System.Runtime.InteropServices;
using Strata.X86.Registers;

namespace Strata.X86.Translator.Cache;

/// <summary>
/// What loading a selector of the GDT into a data segment register gave, in 32-bit code of the kernel: as long as the selector and its
/// descriptor are the same, loading it again gives the same.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SegmentMemo
{
    public const int Count = 1 << CountBits;
    public const int CountBits = 4;

    /// <summary>Added to a selector to form its key, so that none is zero.</summary>
    public const int KeyBit = 0x10000;

    /// <summary>Bit of <see cref="Uses"/>, above those of the registers: accesses through FS or GS need no check.</summary>
    public const int Plain = 0x100;

    public uint Key;

    /// <summary>One bit for each <see cref="SegmentIndex"/> that may be loaded with it without a change of the mode of code.</summary>
    public uint Uses;

    /// <summary>The descriptor, of which its accessed bit is set; nothing for null selectors.</summary>
    public ulong Descriptor;
    public SegmentState Segment;

    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<SegmentMemo>(field);

    /// <summary>The entry for a selector, as translated code computes it.</summary>
    public static int IndexOf(ushort selector) => (selector >> 3) & (Count - 1);
}
