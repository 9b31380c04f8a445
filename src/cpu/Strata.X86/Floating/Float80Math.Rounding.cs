using System.Numerics;
using System.Runtime.CompilerServices;

namespace Strata.X86.Floating;

/// <content>Rounding to extended precision or, by precision control, to fewer bits. Intel SDM Vol. 1, "Precision Control Field".</content>
public static partial class Float80Math
{
    /// <summary>Exponent adjustment of unmasked overflow and underflow. Intel SDM Vol. 1, "Numeric Overflow Exception".</summary>
    private const int ExponentWrap = 24576;

    /// <summary>Rounds a non-zero 128-bit significand that is not yet normalised; <paramref name="exponent"/> is that of bit 127.</summary>
    internal static Float80 NormalizeAndPack(int sign, int exponent, ulong high, ulong low, int precision, ref FloatContext c)
    {
        if (high == 0)
        {
            high = low;
            low = 0;
            exponent -= 64;
        }

        int shift = BitOperations.LeadingZeroCount(high);
        if (shift != 0)
        {
            high = (high << shift) | (low >> (64 - shift));
            low <<= shift;
        }

        return RoundAndPack(sign, exponent - shift, high, low, precision, ref c);
    }

    /// <summary>Rounds a non-zero number.</summary>
    /// <param name="sign">Zero or 0x8000.</param>
    /// <param name="exponent">Biased, unbounded.</param>
    /// <param name="high">Significand, bit 63 set.</param>
    /// <param name="low">The bits behind it; bit 0 sticky.</param>
    /// <param name="precision">Significand bits of the result: 24, 53 or 64.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Float80 RoundAndPack(int sign, int exponent, ulong high, ulong low, int precision, ref FloatContext c)
    {
        if (precision != 64 || (uint)(exponent - 1) >= Float80.MaxExponent - 2)
        {
            return RoundGeneral(sign, exponent, high, low, precision, ref c);
        }

        if (low != 0)
        {
            bool up = RoundsUp(sign, (high & 1) != 0, low, c.Rounding);
            c.Raised |= FloatExceptions.Precision;
            c.RoundedUp = up;
            if (up && ++high == 0)
            {
                high = Float80.IntegerBit;
                exponent++;
            }
        }

        return new Float80(high, (ushort)(sign | exponent));
    }

    /// <param name="odd">The last bit that stays.</param>
    /// <param name="dropped">The dropped bits as a fraction of the last place; bit 63 is one half.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool RoundsUp(int sign, bool odd, ulong dropped, RoundingMode mode) =>
        mode == RoundingMode.NearestEven
            ? dropped > 1UL << 63 || (dropped == 1UL << 63 && odd)
            : dropped != 0 && mode == (sign != 0 ? RoundingMode.Down : RoundingMode.Up);

    /// <summary>Rounds the significand to <paramref name="precision"/> bits.</summary>
    /// <returns>1 if it carried into the next power of two, leaving 0 in <paramref name="high"/>.</returns>
    private static int RoundSignificand(
        int sign, ref ulong high, ulong low, int precision, RoundingMode mode, out bool inexact, out bool up)
    {
        int drop = 64 - precision;
        ulong unit = 1UL << drop;
        ulong dropped = drop == 0 ? low : (high << precision) | (low != 0 ? 1UL : 0);
        inexact = dropped != 0;
        up = RoundsUp(sign, (high & unit) != 0, dropped, mode);
        high &= ~(unit - 1);
        if (!up)
        {
            return 0;
        }

        high += unit;
        return high == 0 ? 1 : 0;
    }

    private static Float80 RoundGeneral(int sign, int exponent, ulong high, ulong low, int precision, ref FloatContext c)
    {
        ulong rounded = high;
        int carry = RoundSignificand(sign, ref rounded, low, precision, c.Rounding, out bool inexact, out bool up);
        int carried = exponent + carry;
        if (carried <= 0 || exponent <= 0)
        {
            bool tiny = carried <= 0;
            if (!tiny || (c.Masks & FloatExceptions.Underflow) != 0)
            {
                return PackTiny(sign, exponent, high, low, precision, tiny, ref c);
            }

            c.Raised |= FloatExceptions.Underflow;
            carried += ExponentWrap;
        }
        else if (carried >= Float80.MaxExponent)
        {
            if (c.Raise(FloatExceptions.Overflow))
            {
                return MaskedOverflow(sign, precision, ref c);
            }

            carried -= ExponentWrap;
        }

        c.Raised |= inexact ? FloatExceptions.Precision : FloatExceptions.None;
        c.RoundedUp = up;
        return new Float80(rounded | Float80.IntegerBit, (ushort)(sign | carried));
    }

    private static Float80 PackTiny(int sign, int exponent, ulong high, ulong low, int precision, bool tiny, ref FloatContext c)
    {
        WideInteger.ShiftRightSticky(ref high, ref low, 1 - exponent);
        RoundSignificand(sign, ref high, low, precision, c.Rounding, out bool inexact, out bool up);
        if (inexact)
        {
            c.Raised |= FloatExceptions.Precision | (tiny ? FloatExceptions.Underflow : FloatExceptions.None);
            c.RoundedUp = up;
        }

        return new Float80(high, (ushort)(sign | (int)(high >> 63)));
    }

    private static Float80 MaskedOverflow(int sign, int precision, ref FloatContext c)
    {
        c.Raised |= FloatExceptions.Precision;
        c.RoundedUp = c.Rounding == RoundingMode.NearestEven || c.Rounding == (sign != 0 ? RoundingMode.Down : RoundingMode.Up);
        return c.RoundedUp
            ? Float80.Infinity(sign)
            : new Float80(ulong.MaxValue << (64 - precision), (ushort)(sign | (Float80.MaxExponent - 1)));
    }
}
