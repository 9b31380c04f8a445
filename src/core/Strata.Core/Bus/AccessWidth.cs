namespace Strata.Core.Bus;

/// <summary>Width of one bus access, in bytes. The numeric value is the number of bytes.</summary>
public enum AccessWidth
{
    Byte = 1,
    Word = 2,
    Dword = 4,
    Qword = 8,
}

/// <summary>Masks that follow from an access width.</summary>
public static class AccessWidthExtensions
{
    /// <summary>All ones in the bits that an access of this width carries: what an open bus reads.</summary>
    public static ulong Mask(this AccessWidth width) => width == AccessWidth.Qword ? ulong.MaxValue : (1UL << ((int)width * 8)) - 1;
}
