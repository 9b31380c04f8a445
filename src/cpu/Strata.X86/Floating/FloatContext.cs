namespace Strata.X86.Floating;

/// <summary>
/// Controls and outcome of software floating-point operations. The operations report exceptions in <see cref="Raised"/>
/// and deliver the masked response; acting upon unmasked exceptions is the caller's business.
/// </summary>
public struct FloatContext
{
    /// <summary>Rounding of results.</summary>
    public RoundingMode Rounding;

    /// <summary>SSE only: denormal operands count as zeros of the same sign and raise nothing.</summary>
    public bool DenormalsAreZeros;

    /// <summary>SSE only: tiny results become zero while the underflow exception is masked.</summary>
    public bool FlushToZero;

    /// <summary>
    /// Masked exceptions. An unmasked underflow is raised by exact tiny results too, and unmasked operand exceptions suppress all later
    /// ones.
    /// </summary>
    public FloatExceptions Masks;

    /// <summary>Exceptions raised so far; sticky across operations.</summary>
    public FloatExceptions Raised;

    /// <summary>The last inexact result was larger in magnitude than the exact value (x87 C1).</summary>
    public bool RoundedUp;

    /// <summary>x87 precision control in significand bits: 24, 53 or 64.</summary>
    public byte PrecisionBits;

    /// <summary>Exceptions that were raised and are not masked.</summary>
    public readonly FloatExceptions Unmasked => Raised & ~Masks;

    /// <summary>Controls of SSE instructions; nothing raised. Intel SDM Vol. 1, "MXCSR Control and Status Register".</summary>
    public static FloatContext FromMxcsr(uint mxcsr) => new()
    {
        Rounding = (RoundingMode)((mxcsr >> 13) & 3),
        DenormalsAreZeros = (mxcsr & 0x40) != 0,
        FlushToZero = (mxcsr & 0x8000) != 0,
        Masks = (FloatExceptions)((mxcsr >> 7) & 0x3F),
        PrecisionBits = 64,
    };

    /// <summary>Controls of x87 instructions; nothing raised. Intel SDM Vol. 1, "x87 FPU Control Word".</summary>
    public static FloatContext FromX87(ushort fcw) => new()
    {
        Rounding = (RoundingMode)((fcw >> 10) & 3),
        Masks = (FloatExceptions)(fcw & 0x3F),
        PrecisionBits = ((fcw >> 8) & 3) switch { 0 => 24, 2 => 53, _ => 64 },
    };

    /// <summary>Records an exception.</summary>
    /// <returns>Whether it is masked, so that the operation goes on with the masked response.</returns>
    internal bool Raise(FloatExceptions exception)
    {
        Raised |= exception;
        return (Masks & exception) == exception;
    }
}
