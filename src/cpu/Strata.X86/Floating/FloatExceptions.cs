namespace Strata.X86.Floating;

/// <summary>
/// Floating-point exceptions at the bit positions they have in MXCSR and in the x87 status word.
/// Intel SDM Vol. 1, "SIMD Floating-Point Exception Flag Bits" and "x87 FPU Floating-Point Exception Flags".
/// </summary>
[Flags]
public enum FloatExceptions : byte
{
    None = 0,
    Invalid = 1,
    Denormal = 2,
    DivideByZero = 4,
    Overflow = 8,
    Underflow = 16,
    Precision = 32,
    All = 63,
}
