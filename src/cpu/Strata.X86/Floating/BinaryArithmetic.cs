using System.Numerics;
using System.Runtime.CompilerServices;

namespace Strata.X86.Floating;

/// <summary>
/// Arithmetic of one interchange format with the rules of SSE: NaN propagation, denormals, tininess after rounding.
/// Values are raw bits in a 64-bit integer. Inside, a number is a sign, a biased exponent and a significand whose integer
/// bit is bit 63. Intel SDM Vol. 1, "SIMD Floating-Point Exceptions" and "Operating on NaNs".
/// </summary>
internal static partial class BinaryArithmetic<TFormat>
    where TFormat : struct, IBinaryFormat
{
    // Below every exponent that a normalised denormal can have.
    private const int ExponentOfZero = -100_000;

    public static int MaxExponent => (1 << TFormat.ExponentBits) - 1;

    public static int Bias => MaxExponent >> 1;

    public static ulong SignBit => 1UL << (TFormat.FractionBits + TFormat.ExponentBits);

    public static ulong Infinity => (ulong)MaxExponent << TFormat.FractionBits;

    public static ulong QuietBit => 1UL << (TFormat.FractionBits - 1);

    /// <summary>The "QNaN floating-point indefinite".</summary>
    public static ulong DefaultNaN => SignBit | Infinity | QuietBit;

    private static ulong FractionMask => (1UL << TFormat.FractionBits) - 1;

    private static ulong HiddenBit => 1UL << TFormat.FractionBits;

    /// <summary>Bits of a 64-bit significand that rounding drops.</summary>
    private static int DroppedBits => 63 - TFormat.FractionBits;

    public static bool IsNaN(ulong a) => (a & ~SignBit) > Infinity;

    public static bool IsSignalingNaN(ulong a) => IsNaN(a) && (a & QuietBit) == 0;

    public static bool IsDenormal(ulong a) => (a & ~SignBit) - 1 < HiddenBit - 1;

    public static ulong Add(ulong a, ulong b, ref FloatContext c) =>
        BothNormal(a, b)
            ? AddNormal(a, b, ref c)
            : AddSpecial(a, b, ref c);

    public static ulong Subtract(ulong a, ulong b, ref FloatContext c) => Add(a, IsNaN(b) ? b : b ^ SignBit, ref c);

    public static ulong Multiply(ulong a, ulong b, ref FloatContext c) =>
        BothNormal(a, b)
            ? MultiplyFinite((a ^ b) & SignBit, ExponentOf(a), NormalSignificand(a), ExponentOf(b), NormalSignificand(b), ref c)
            : MultiplySpecial(a, b, ref c);

    public static ulong Divide(ulong a, ulong b, ref FloatContext c) =>
        BothNormal(a, b)
            ? DivideFinite((a ^ b) & SignBit, ExponentOf(a), NormalSignificand(a), ExponentOf(b), NormalSignificand(b), ref c)
            : DivideSpecial(a, b, ref c);

    public static ulong SquareRoot(ulong a, ref FloatContext c)
    {
        if (IsNaN(a))
        {
            return PropagateNaN(a, a, ref c);
        }

        a = FlushOperand(a, ref c);
        if ((a & ~SignBit) == 0)
        {
            return a;
        }

        if ((a & SignBit) != 0)
        {
            return Invalid(ref c);
        }

        if (a == Infinity || (IsDenormal(a) && !c.Raise(FloatExceptions.Denormal)))
        {
            return a;
        }

        int exponent = Unpack(a, out ulong significand) - Bias;

        // The radicand gets an even exponent and two integer bits, so that the root fills 64 bits.
        ulong high = (exponent & 1) != 0 ? significand : significand >> 1;
        ulong root = WideInteger.SquareRoot(high, 0, out UInt128 remainder);
        return RoundAndPack(0, (exponent >> 1) + Bias, root | (remainder != 0 ? 1UL : 0), ref c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int ExponentOf(ulong a) => (int)(a >> TFormat.FractionBits) & MaxExponent;

    /// <summary>Splits a finite number, denormals normalised (their exponent is zero or negative); the significand of zero is 0.</summary>
    public static int Unpack(ulong a, out ulong significand)
    {
        int exponent = ExponentOf(a);
        if (exponent != 0)
        {
            significand = NormalSignificand(a);
            return exponent;
        }

        ulong fraction = a & FractionMask;
        if (fraction == 0)
        {
            significand = 0;
            return ExponentOfZero;
        }

        int shift = BitOperations.LeadingZeroCount(fraction);
        significand = fraction << shift;
        return 1 + DroppedBits - shift;
    }

    /// <summary>The masked response to an invalid operation.</summary>
    public static ulong Invalid(ref FloatContext c)
    {
        c.Raised |= FloatExceptions.Invalid;
        return DefaultNaN;
    }

    /// <summary>
    /// The NaN result of an operation of which at least one operand is a NaN: the first NaN, made quiet.
    /// Intel SDM Vol. 1, table "Rules for Handling NaNs".
    /// </summary>
    public static ulong PropagateNaN(ulong a, ulong b, ref FloatContext c)
    {
        if (IsSignalingNaN(a) || IsSignalingNaN(b))
        {
            c.Raised |= FloatExceptions.Invalid;
        }

        return (IsNaN(a) ? a : b) | QuietBit;
    }

    /// <summary>Replaces a denormal operand by zero where the context says so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FlushOperand(ulong a, ref FloatContext c) => c.DenormalsAreZeros && IsDenormal(a) ? a & SignBit : a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool BothNormal(ulong a, ulong b) =>
        (uint)(ExponentOf(a) - 1) < (uint)(MaxExponent - 1) && (uint)(ExponentOf(b) - 1) < (uint)(MaxExponent - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong NormalSignificand(ulong a) => ((a << DroppedBits) & (FractionMask << DroppedBits)) | (1UL << 63);

    /// <returns>Whether the operation goes on: no operand is denormal, or the exception is masked.</returns>
    private static bool AcceptDenormals(ulong a, ulong b, ref FloatContext c) =>
        (!IsDenormal(a) && !IsDenormal(b)) || c.Raise(FloatExceptions.Denormal);

    /// <summary>The sum of two normal numbers, without branches that random operands would mispredict.</summary>
    private static ulong AddNormal(ulong a, ulong b, ref FloatContext c)
    {
        ulong swap = (a ^ b) & (0UL - ((a & ~SignBit) < (b & ~SignBit) ? 1UL : 0));
        a ^= swap;
        b ^= swap;
        int exponent = ExponentOf(a);

        // One bit of headroom for the carry; the formats leave at least 11 low bits unused, so that 63 places are as good as more.
        int distance = Math.Min(exponent - ExponentOf(b), 63);
        ulong smaller = NormalSignificand(b) >> 1;
        smaller = (smaller >> distance) | ((smaller & ((1UL << distance) - 1)) != 0 ? 1UL : 0);
        ulong negate = 0UL - ((a ^ b) >> (TFormat.FractionBits + TFormat.ExponentBits));
        ulong sum = (NormalSignificand(a) >> 1) + ((smaller ^ negate) - negate);
        if (sum == 0)
        {
            return c.Rounding == RoundingMode.Down ? SignBit : 0;
        }

        int shift = BitOperations.LeadingZeroCount(sum);
        return RoundAndPack(a & SignBit, exponent + 1 - shift, sum << shift, ref c);
    }

    private static ulong AddSpecial(ulong a, ulong b, ref FloatContext c)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref c);
        }

        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        bool aInfinite = (a & ~SignBit) == Infinity;
        bool bInfinite = (b & ~SignBit) == Infinity;
        if (aInfinite && bInfinite)
        {
            return a == b ? a : Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || aInfinite)
        {
            return a;
        }

        if (bInfinite)
        {
            return b;
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return AddFinite(a & SignBit, exponentA, significandA, b & SignBit, exponentB, significandB, ref c);
    }

    private static ulong AddFinite(
        ulong signA, int exponentA, ulong significandA, ulong signB, int exponentB, ulong significandB, ref FloatContext c)
    {
        if (exponentA < exponentB || (exponentA == exponentB && significandA < significandB))
        {
            (signA, signB) = (signB, signA);
            (exponentA, exponentB) = (exponentB, exponentA);
            (significandA, significandB) = (significandB, significandA);
        }

        // One bit of headroom for the carry; the formats leave at least 11 low bits unused.
        ulong larger = significandA >> 1;
        ulong smaller = WideInteger.ShiftRightSticky(significandB >> 1, exponentA - exponentB);
        ulong sum = signA == signB ? larger + smaller : larger - smaller;
        if (sum == 0)
        {
            return signA == signB ? signA : c.Rounding == RoundingMode.Down ? SignBit : 0;
        }

        int shift = BitOperations.LeadingZeroCount(sum);
        return RoundAndPack(signA, exponentA + 1 - shift, sum << shift, ref c);
    }

    private static ulong MultiplySpecial(ulong a, ulong b, ref FloatContext c)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref c);
        }

        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        ulong sign = (a ^ b) & SignBit;
        ulong magnitudeA = a & ~SignBit;
        ulong magnitudeB = b & ~SignBit;
        bool infinite = magnitudeA == Infinity || magnitudeB == Infinity;
        bool zero = magnitudeA == 0 || magnitudeB == 0;
        if (infinite && zero)
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || zero)
        {
            return sign;
        }

        if (infinite)
        {
            return sign | Infinity;
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return MultiplyFinite(sign, exponentA, significandA, exponentB, significandB, ref c);
    }

    private static ulong MultiplyFinite(
        ulong sign, int exponentA, ulong significandA, int exponentB, ulong significandB, ref FloatContext c)
    {
        ulong product = Math.BigMul(significandA, significandB, out ulong low) | (low != 0 ? 1UL : 0);
        int shift = (int)(~product >> 63);
        return RoundAndPack(sign, exponentA + exponentB - Bias + 1 - shift, product << shift, ref c);
    }

    private static ulong DivideSpecial(ulong a, ulong b, ref FloatContext c)
    {
        if (IsNaN(a) || IsNaN(b))
        {
            return PropagateNaN(a, b, ref c);
        }

        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        ulong sign = (a ^ b) & SignBit;
        ulong magnitudeA = a & ~SignBit;
        ulong magnitudeB = b & ~SignBit;
        if (magnitudeA == magnitudeB && (magnitudeA == 0 || magnitudeA == Infinity))
        {
            return Invalid(ref c);
        }

        if (magnitudeB == 0 && magnitudeA != Infinity)
        {
            c.Raised |= FloatExceptions.DivideByZero;
            return sign | Infinity;
        }

        if (!AcceptDenormals(a, b, ref c) || magnitudeA == Infinity)
        {
            return sign | Infinity;
        }

        if (magnitudeA == 0 || magnitudeB == Infinity)
        {
            return sign;
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return DivideFinite(sign, exponentA, significandA, exponentB, significandB, ref c);
    }

    private static ulong DivideFinite(
        ulong sign, int exponentA, ulong significandA, int exponentB, ulong significandB, ref FloatContext c)
    {
        // Halving the dividend when it is not below the divisor keeps the quotient in [2^63, 2^64).
        int carry = significandA >= significandB ? 1 : 0;
        ulong quotient;
        ulong remainder;
        if (TFormat.FractionBits <= 23)
        {
            // 24-bit significands: a quotient of 39 or 40 bits from one hardware division.
            ulong divisor = significandB >> DroppedBits;
            (quotient, remainder) = Math.DivRem(significandA >> carry, divisor);
            int shift = BitOperations.LeadingZeroCount(quotient);
            quotient <<= shift;
        }
        else
        {
            quotient = WideInteger.Divide(significandA >> carry, 0, significandB, out remainder);
        }

        return RoundAndPack(sign, exponentA - exponentB + Bias - 1 + carry, quotient | (remainder != 0 ? 1UL : 0), ref c);
    }
}
