using System.Numerics;
using System.Runtime.CompilerServices;

namespace Strata.X86.Floating;

/// <summary>
/// Double extended-precision arithmetic with the rules of the x87 FPU: bit-exact results, exceptions and rounding direction.
/// Precision control acts upon add, subtract, multiply, divide and square root only.
/// Where an operand exception (invalid, denormal, divide by zero) is raised unmasked, the result has no meaning: the caller
/// leaves the destination alone. An unmasked overflow or underflow delivers the result with the exponent wrapped by 24576.
/// Intel SDM Vol. 1, "Programming with the x87 FPU".
/// </summary>
public static partial class Float80Math
{
    private const int ExponentOfZero = -1_000_000;

    public static Float80 Add(Float80 a, Float80 b, ref FloatContext c) =>
        a.IsNormal && b.IsNormal
            ? AddFinite(a.Sign, a.Exponent, a.Significand, b.Sign, b.Exponent, b.Significand, ref c)
            : AddSpecial(a, b, 0, ref c);

    /// <summary>a − b.</summary>
    public static Float80 Sub(Float80 a, Float80 b, ref FloatContext c) =>
        a.IsNormal && b.IsNormal
            ? AddFinite(a.Sign, a.Exponent, a.Significand, b.Sign ^ 0x8000, b.Exponent, b.Significand, ref c)
            : AddSpecial(a, b, 0x8000, ref c);

    public static Float80 Mul(Float80 a, Float80 b, ref FloatContext c) =>
        a.IsNormal && b.IsNormal
            ? MultiplyFinite(a.Sign ^ b.Sign, a.Exponent, a.Significand, b.Exponent, b.Significand, ref c)
            : MultiplySpecial(a, b, ref c);

    /// <summary>a ÷ b.</summary>
    public static Float80 Div(Float80 a, Float80 b, ref FloatContext c) =>
        a.IsNormal && b.IsNormal
            ? DivideFinite(a.Sign ^ b.Sign, a.Exponent, a.Significand, b.Exponent, b.Significand, ref c)
            : DivideSpecial(a, b, ref c);

    public static Float80 Sqrt(Float80 a, ref FloatContext c)
    {
        if (a.IsNaN || a.IsUnsupported)
        {
            return PropagateNaN(a, a, ref c);
        }

        if (a.IsZero)
        {
            return a;
        }

        if (a.IsNegative)
        {
            return Invalid(ref c);
        }

        if (a.IsInfinity || (a.IsDenormal && !c.Raise(FloatExceptions.Denormal)))
        {
            return a;
        }

        int exponent = Unpack(a, out ulong significand) - Float80.Bias;
        bool odd = (exponent & 1) != 0;
        ulong root = WideInteger.SquareRoot(odd ? significand : significand >> 1, odd ? 0 : significand << 63, out UInt128 remainder);

        // (root + ½)² = root² + root + ¼: a remainder above root means more than half, and a tie cannot be.
        ulong low = remainder > root ? (1UL << 63) | 1 : remainder != 0 ? 1UL : 0;
        return RoundAndPack(0, (exponent >> 1) + Float80.Bias, root, low, c.PrecisionBits, ref c);
    }

    /// <summary>FCOM (<paramref name="signaling"/>: quiet NaNs are invalid too) and FUCOM.</summary>
    public static FloatRelation Compare(Float80 a, Float80 b, bool signaling, ref FloatContext c)
    {
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            if (signaling || a.IsSignalingNaN || b.IsSignalingNaN || a.IsUnsupported || b.IsUnsupported)
            {
                c.Raised |= FloatExceptions.Invalid;
            }

            return FloatRelation.Unordered;
        }

        AcceptDenormals(a, b, ref c);
        if (a.IsZero && b.IsZero)
        {
            return FloatRelation.Equal;
        }

        if (a.Sign != b.Sign)
        {
            return a.IsNegative ? FloatRelation.Less : FloatRelation.Greater;
        }

        // A pseudo-denormal has the value of exponent 1.
        int exponentA = Math.Max(a.Exponent, 1);
        int exponentB = Math.Max(b.Exponent, 1);
        int order = exponentA != exponentB ? exponentA.CompareTo(exponentB) : a.Significand.CompareTo(b.Significand);
        return (FloatRelation)(a.IsNegative ? -order : order);
    }

    /// <summary>The masked response to an invalid operation.</summary>
    internal static Float80 Invalid(ref FloatContext c)
    {
        c.Raised |= FloatExceptions.Invalid;
        return Float80.DefaultNaN;
    }

    /// <summary>
    /// The result of an operation with a NaN or an unsupported operand. A quiet NaN beats a signaling one, then the larger
    /// significand wins, then the positive sign. Intel SDM Vol. 1, table "Rules for Handling NaNs".
    /// </summary>
    internal static Float80 PropagateNaN(Float80 a, Float80 b, ref FloatContext c)
    {
        if (a.IsUnsupported || b.IsUnsupported)
        {
            return Invalid(ref c);
        }

        bool signalingA = a.IsSignalingNaN;
        bool signalingB = b.IsSignalingNaN;
        if (signalingA || signalingB)
        {
            c.Raised |= FloatExceptions.Invalid;
        }

        Float80 winner;
        if (!a.IsNaN || !b.IsNaN)
        {
            winner = a.IsNaN ? a : b;
        }
        else if (signalingA != signalingB)
        {
            winner = signalingA ? b : a;
        }
        else
        {
            bool first = a.Significand != b.Significand ? a.Significand > b.Significand : !a.IsNegative;
            winner = first ? a : b;
        }

        return new Float80(winner.Significand | Float80.QuietBit, winner.SignExponent);
    }

    /// <returns>Whether the operation goes on: no operand is denormal, or the exception is masked.</returns>
    internal static bool AcceptDenormals(Float80 a, Float80 b, ref FloatContext c) =>
        (!a.IsDenormal && !b.IsDenormal) || c.Raise(FloatExceptions.Denormal);

    /// <summary>Splits a finite number; denormals are normalised, the significand of zero is 0.</summary>
    internal static int Unpack(Float80 a, out ulong significand)
    {
        significand = a.Significand;
        int exponent = a.Exponent;
        if (exponent != 0)
        {
            return exponent;
        }

        if (significand == 0)
        {
            return ExponentOfZero;
        }

        int shift = BitOperations.LeadingZeroCount(significand);
        significand <<= shift;
        return 1 - shift;
    }

    private static Float80 AddSpecial(Float80 a, Float80 b, int flip, ref FloatContext c)
    {
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            return PropagateNaN(a, b, ref c);
        }

        int signB = b.Sign ^ flip;
        if (a.IsInfinity && b.IsInfinity)
        {
            return a.Sign == signB ? a : Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || a.IsInfinity)
        {
            return a;
        }

        if (b.IsInfinity)
        {
            return Float80.Infinity(signB);
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return AddFinite(a.Sign, exponentA, significandA, signB, exponentB, significandB, ref c);
    }

    private static Float80 AddFinite(
        int signA, int exponentA, ulong significandA, int signB, int exponentB, ulong significandB, ref FloatContext c)
    {
        // Masks instead of branches where random operands would mispredict.
        bool less = (exponentA < exponentB) | ((exponentA == exponentB) & (significandA < significandB));
        ulong swap = 0UL - (less ? 1UL : 0);
        ulong significands = (significandA ^ significandB) & swap;
        significandA ^= significands;
        significandB ^= significands;
        int signs = (signA ^ signB) & (int)swap;
        signA ^= signs;
        signB ^= signs;
        int distance = Math.Abs(exponentA - exponentB);
        exponentA = Math.Max(exponentA, exponentB);

        // Up to 63 places nothing falls out of 128 bits.
        ulong high = significandB >> distance;
        ulong low = (significandB << 1) << (63 - distance);
        if (distance > 63)
        {
            high = significandB;
            low = 0;
            WideInteger.ShiftRightSticky(ref high, ref low, distance);
        }

        if (signA == signB)
        {
            ulong sum = significandA + high;
            int carry = sum < high ? 1 : 0;
            low = (low >> carry) | (low & (ulong)carry) | ((sum & (ulong)carry) << 63);
            sum = (sum >> carry) | ((ulong)carry << 63);
            return sum == 0 ? Float80.Zero(signA) : RoundAndPack(signA, exponentA + carry, sum, low, c.PrecisionBits, ref c);
        }

        high = significandA - high - (low != 0 ? 1UL : 0);
        low = 0 - low;
        if ((high | low) == 0)
        {
            return Float80.Zero(c.Rounding == RoundingMode.Down ? 0x8000 : 0);
        }

        return NormalizeAndPack(signA, exponentA, high, low, c.PrecisionBits, ref c);
    }

    private static Float80 MultiplySpecial(Float80 a, Float80 b, ref FloatContext c)
    {
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            return PropagateNaN(a, b, ref c);
        }

        int sign = a.Sign ^ b.Sign;
        bool infinite = a.IsInfinity || b.IsInfinity;
        bool zero = a.IsZero || b.IsZero;
        if (infinite && zero)
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || zero)
        {
            return Float80.Zero(sign);
        }

        if (infinite)
        {
            return Float80.Infinity(sign);
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return MultiplyFinite(sign, exponentA, significandA, exponentB, significandB, ref c);
    }

    private static Float80 MultiplyFinite(
        int sign, int exponentA, ulong significandA, int exponentB, ulong significandB, ref FloatContext c)
    {
        ulong high = Math.BigMul(significandA, significandB, out ulong low);
        int exponent = exponentA + exponentB - Float80.Bias + 1;
        if ((long)high >= 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return RoundAndPack(sign, exponent, high, low, c.PrecisionBits, ref c);
    }

    private static Float80 DivideSpecial(Float80 a, Float80 b, ref FloatContext c)
    {
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            return PropagateNaN(a, b, ref c);
        }

        int sign = a.Sign ^ b.Sign;
        if ((a.IsInfinity && b.IsInfinity) || (a.IsZero && b.IsZero))
        {
            return Invalid(ref c);
        }

        if (b.IsZero && !a.IsInfinity)
        {
            c.Raised |= FloatExceptions.DivideByZero;
            return Float80.Infinity(sign);
        }

        if (!AcceptDenormals(a, b, ref c) || a.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (a.IsZero || b.IsInfinity)
        {
            return Float80.Zero(sign);
        }

        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        return DivideFinite(sign, exponentA, significandA, exponentB, significandB, ref c);
    }

    private static Float80 DivideFinite(
        int sign, int exponentA, ulong significandA, int exponentB, ulong significandB, ref FloatContext c)
    {
        int carry = significandA >= significandB ? 1 : 0;
        ulong quotient = WideInteger.Divide(significandA >> carry, carry != 0 ? significandA << 63 : 0, significandB, out ulong remainder);

        // The next quotient bit, and whether anything is left behind it.
        ulong rest = remainder - (significandB - remainder);
        bool half = remainder >= significandB - remainder;
        ulong low = half ? (1UL << 63) | (rest != 0 ? 1UL : 0) : remainder != 0 ? 1UL : 0;
        return RoundAndPack(sign, exponentA - exponentB + Float80.Bias - 1 + carry, quotient, low, c.PrecisionBits, ref c);
    }
}
