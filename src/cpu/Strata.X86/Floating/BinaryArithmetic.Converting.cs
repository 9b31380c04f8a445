using System.Numerics;

namespace Strata.X86.Floating;

/// <content>
/// Conversions to and from integers, and rounding to integral values. Intel SDM Vol. 2, "CVTSD2SI", "CVTSI2SD", "ROUNDSD".
/// </content>
internal static partial class BinaryArithmetic<TFormat>
{
    /// <summary>Converts a signed integer.</summary>
    public static ulong FromInteger(long value, ref FloatContext c)
    {
        if (value == 0)
        {
            return 0;
        }

        ulong magnitude = value < 0 ? (ulong)-value : (ulong)value;
        int shift = BitOperations.LeadingZeroCount(magnitude);
        return RoundAndPack(value < 0 ? SignBit : 0, Bias + 63 - shift, magnitude << shift, ref c);
    }

    /// <summary>Converts an unsigned integer.</summary>
    public static ulong FromUnsigned(ulong value, ref FloatContext c)
    {
        int shift = BitOperations.LeadingZeroCount(value);
        return value == 0 ? 0 : RoundAndPack(0, Bias + 63 - shift, value << shift, ref c);
    }

    /// <summary>
    /// Converts to a signed integer of <paramref name="bits"/> (16, 32 or 64) bits; out of range is the most negative integer.
    /// </summary>
    public static long ToInteger(ulong a, int bits, RoundingMode mode, ref FloatContext c)
    {
        long indefinite = long.MinValue >> (64 - bits);
        if (ExponentOf(a) == MaxExponent)
        {
            c.Raised |= FloatExceptions.Invalid;
            return indefinite;
        }

        int exponent = Unpack(FlushOperand(a, ref c), out ulong significand) - Bias;
        return IntegerRounding.ToInteger((a & SignBit) != 0, exponent, significand, bits, mode, ref c);
    }

    /// <summary>Rounds to an integral value of the same format.</summary>
    public static ulong RoundToIntegral(ulong a, RoundingMode mode, bool suppressPrecision, ref FloatContext c)
    {
        if (IsNaN(a))
        {
            return PropagateNaN(a, a, ref c);
        }

        a = FlushOperand(a, ref c);
        int exponent = ExponentOf(a) - Bias;
        if (exponent >= TFormat.FractionBits || (a & ~SignBit) == 0)
        {
            return a;
        }

        ulong sign = a & SignBit;
        ulong unit = 1UL << Math.Clamp(TFormat.FractionBits - exponent, 0, TFormat.FractionBits);
        ulong magnitude = a & ~SignBit;
        if (exponent >= 0 && (magnitude & (unit - 1)) == 0)
        {
            return a;
        }

        c.Raised |= suppressPrecision ? FloatExceptions.None : FloatExceptions.Precision;
        bool away = mode == (sign != 0 ? RoundingMode.Down : RoundingMode.Up);
        if (exponent < 0)
        {
            ulong one = (ulong)Bias << TFormat.FractionBits;
            bool up = mode == RoundingMode.NearestEven ? magnitude > one - HiddenBit : away;
            return sign | (up ? one : 0);
        }

        // Adding to the packed form carries from the fraction into the exponent by itself.
        ulong dropped = magnitude & (unit - 1);
        bool odd = exponent == 0 || (magnitude & unit) != 0;
        bool increment = mode == RoundingMode.NearestEven ? dropped + (odd ? 1UL : 0) > unit >> 1 : away;
        return sign | ((magnitude - dropped) + (increment ? unit : 0));
    }
}
