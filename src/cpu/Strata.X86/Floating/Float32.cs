namespace Strata.X86.Floating;

/// <summary>
/// Binary32 arithmetic on raw bits with the rules of SSE: bit-exact results and exceptions.
/// Intel SDM Vol. 1, "Programming with Intel Streaming SIMD Extensions" and appendix "Guidelines for SIMD Floating-Point Exception
/// Handlers".
/// </summary>
public static class Float32
{
    /// <summary>The NaN that invalid operations deliver.</summary>
    public const uint DefaultNaN = 0xFFC00000;

    public static uint Add(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Add(a, b, ref c);

    public static uint Sub(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Subtract(a, b, ref c);

    public static uint Mul(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Multiply(a, b, ref c);

    public static uint Div(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Divide(a, b, ref c);

    public static uint Sqrt(uint a, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.SquareRoot(a, ref c);

    /// <summary>MIN: the second operand if either is a NaN (invalid) or both are zeros.</summary>
    public static uint Min(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Minimum(a, b, ref c);

    /// <summary>MAX: the second operand if either is a NaN (invalid) or both are zeros.</summary>
    public static uint Max(uint a, uint b, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.Maximum(a, b, ref c);

    /// <param name="signaling">A quiet NaN is invalid too (COMI and the ordered CMP predicates; not UCOMI).</param>
    public static FloatRelation Compare(uint a, uint b, bool signaling, ref FloatContext c) =>
        BinaryArithmetic<Binary32>.Compare(a, b, signaling, ref c);

    /// <summary>a × b + addend, rounded once; the first NaN in the order a, b, addend wins.</summary>
    public static uint FusedMultiplyAdd(uint a, uint b, uint addend, ref FloatContext c) =>
        (uint)BinaryArithmetic<Binary32>.FusedMultiplyAdd(a, b, addend, ref c);

    /// <param name="suppressPrecision">Bit 3 of the immediate of ROUND.</param>
    public static uint RoundToIntegral(uint a, RoundingMode mode, bool suppressPrecision, ref FloatContext c) =>
        (uint)BinaryArithmetic<Binary32>.RoundToIntegral(a, mode, suppressPrecision, ref c);

    /// <summary>0x80000000 and invalid for NaNs and values out of range.</summary>
    public static int ToInt32(uint a, RoundingMode mode, ref FloatContext c) =>
        (int)BinaryArithmetic<Binary32>.ToInteger(a, 32, mode, ref c);

    /// <summary>0x8000000000000000 and invalid for NaNs and values out of range.</summary>
    public static long ToInt64(uint a, RoundingMode mode, ref FloatContext c) =>
        BinaryArithmetic<Binary32>.ToInteger(a, 64, mode, ref c);

    public static uint FromInt32(int value, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.FromInteger(value, ref c);

    public static uint FromInt64(long value, ref FloatContext c) => (uint)BinaryArithmetic<Binary32>.FromInteger(value, ref c);

    public static bool IsNaN(uint a) => BinaryArithmetic<Binary32>.IsNaN(a);

    public static bool IsSignalingNaN(uint a) => BinaryArithmetic<Binary32>.IsSignalingNaN(a);

    public static bool IsDenormal(uint a) => BinaryArithmetic<Binary32>.IsDenormal(a);

    public static ulong ToFloat64(uint a, ref FloatContext c) => FormatConversion<Binary32, Binary64>.Convert(a, ref c);

    /// <summary>As FLD m32fp: a signaling NaN is invalid and made quiet, a denormal raises the denormal exception.</summary>
    public static Float80 ToFloat80(uint a, ref FloatContext c) => Float80Math.FromFloat32(a, ref c);
}
