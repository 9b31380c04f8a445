namespace Strata.X86.Floating;

/// <summary>
/// Binary64 arithmetic on raw bits with the rules of SSE: bit-exact results and exceptions.
/// Intel SDM Vol. 1, "Programming with Intel Streaming SIMD Extensions" and appendix "Guidelines for SIMD Floating-Point Exception
/// Handlers".
/// </summary>
public static class Float64
{
    /// <summary>The NaN that invalid operations deliver.</summary>
    public const ulong DefaultNaN = 0xFFF8000000000000;

    public static ulong Add(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Add(a, b, ref c);

    public static ulong Sub(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Subtract(a, b, ref c);

    public static ulong Mul(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Multiply(a, b, ref c);

    public static ulong Div(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Divide(a, b, ref c);

    public static ulong Sqrt(ulong a, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.SquareRoot(a, ref c);

    /// <summary>MIN: the second operand if either is a NaN (invalid) or both are zeros.</summary>
    public static ulong Min(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Minimum(a, b, ref c);

    /// <summary>MAX: the second operand if either is a NaN (invalid) or both are zeros.</summary>
    public static ulong Max(ulong a, ulong b, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.Maximum(a, b, ref c);

    /// <param name="signaling">A quiet NaN is invalid too (COMI and the ordered CMP predicates; not UCOMI).</param>
    public static FloatRelation Compare(ulong a, ulong b, bool signaling, ref FloatContext c) =>
        BinaryArithmetic<Binary64>.Compare(a, b, signaling, ref c);

    /// <summary>a × b + addend, rounded once; the first NaN in the order a, b, addend wins.</summary>
    public static ulong FusedMultiplyAdd(ulong a, ulong b, ulong addend, ref FloatContext c) =>
        (ulong)BinaryArithmetic<Binary64>.FusedMultiplyAdd(a, b, addend, ref c);

    /// <param name="suppressPrecision">Bit 3 of the immediate of ROUND.</param>
    public static ulong RoundToIntegral(ulong a, RoundingMode mode, bool suppressPrecision, ref FloatContext c) =>
        (ulong)BinaryArithmetic<Binary64>.RoundToIntegral(a, mode, suppressPrecision, ref c);

    /// <summary>0x80000000 and invalid for NaNs and values out of range.</summary>
    public static int ToInt32(ulong a, RoundingMode mode, ref FloatContext c) =>
        (int)BinaryArithmetic<Binary64>.ToInteger(a, 32, mode, ref c);

    /// <summary>0x8000000000000000 and invalid for NaNs and values out of range.</summary>
    public static long ToInt64(ulong a, RoundingMode mode, ref FloatContext c) =>
        BinaryArithmetic<Binary64>.ToInteger(a, 64, mode, ref c);

    public static ulong FromInt32(int value, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.FromInteger(value, ref c);

    public static ulong FromInt64(long value, ref FloatContext c) => (ulong)BinaryArithmetic<Binary64>.FromInteger(value, ref c);

    public static bool IsNaN(ulong a) => BinaryArithmetic<Binary64>.IsNaN(a);

    public static bool IsSignalingNaN(ulong a) => BinaryArithmetic<Binary64>.IsSignalingNaN(a);

    public static bool IsDenormal(ulong a) => BinaryArithmetic<Binary64>.IsDenormal(a);

    public static uint ToFloat32(ulong a, ref FloatContext c) => (uint)FormatConversion<Binary64, Binary32>.Convert(a, ref c);

    /// <summary>As FLD m64fp: a signaling NaN is invalid and made quiet, a denormal raises the denormal exception.</summary>
    public static Float80 ToFloat80(ulong a, ref FloatContext c) => Float80Math.FromFloat64(a, ref c);
}
