using System.Runtime.CompilerServices;

namespace Strata.X86.Floating;

/// <content>
/// Rounding to the format, overflow and underflow. Intel SDM Vol. 1, "Numeric Overflow Exception" and "Numeric Underflow Exception".
/// </content>
internal static partial class BinaryArithmetic<TFormat>
{
    private static ulong DroppedMask => (1UL << DroppedBits) - 1;

    /// <summary>
    /// Rounds a non-zero number to the format.
    /// </summary>
    /// <param name="sign">Zero or <see cref="SignBit"/>.</param>
    /// <param name="exponent">Biased exponent, unbounded.</param>
    /// <param name="significand">Bit 63 set; bit 0 sticky.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong RoundAndPack(ulong sign, int exponent, ulong significand, ref FloatContext c)
    {
        // The largest exponent is left to the slow path because rounding may carry out of it.
        if ((uint)(exponent - 1) >= (uint)(MaxExponent - 2))
        {
            return RoundAtLimits(sign, exponent, significand, ref c);
        }

        // The integer bit of the significand adds one to the exponent field, and so does a carry out of rounding.
        ulong result = ((ulong)(exponent - 1) << TFormat.FractionBits) + (significand >> DroppedBits);
        ulong dropped = significand & DroppedMask;
        if (dropped != 0)
        {
            bool up = RoundsUp(sign, significand, c.Rounding);
            c.Raised |= FloatExceptions.Precision;
            c.RoundedUp = up;
            result += up ? 1UL : 0;
        }

        return sign | result;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool RoundsUp(ulong sign, ulong significand, RoundingMode mode)
    {
        ulong dropped = significand & DroppedMask;
        if (mode == RoundingMode.NearestEven)
        {
            ulong half = 1UL << (DroppedBits - 1);
            return dropped + ((significand >> DroppedBits) & 1) > half;
        }

        return mode == (sign != 0 ? RoundingMode.Down : RoundingMode.Up) && dropped != 0;
    }

    private static ulong RoundAtLimits(ulong sign, int exponent, ulong significand, ref FloatContext c)
    {
        bool inexact = (significand & DroppedMask) != 0;
        bool up = RoundsUp(sign, significand, c.Rounding);
        ulong rounded = (significand >> DroppedBits) + (up ? 1UL : 0);
        int carried = exponent + (int)(rounded >> (TFormat.FractionBits + 1));
        if (carried >= MaxExponent)
        {
            return Overflow(sign, inexact, ref c);
        }

        if (exponent > 0)
        {
            c.Raised |= inexact ? FloatExceptions.Precision : FloatExceptions.None;
            c.RoundedUp = up;
            return sign | (((ulong)(exponent - 1) << TFormat.FractionBits) + rounded);
        }

        return PackTiny(sign, exponent, significand, carried <= 0, inexact, ref c);
    }

    /// <param name="tiny">Rounded to full precision with an unbounded exponent, the result is below the smallest normal number.</param>
    private static ulong PackTiny(ulong sign, int exponent, ulong significand, bool tiny, bool inexact, ref FloatContext c)
    {
        if (tiny && (c.Masks & FloatExceptions.Underflow) == 0)
        {
            c.Raised |= FloatExceptions.Underflow | (inexact ? FloatExceptions.Precision : FloatExceptions.None);
            c.RoundedUp = inexact && RoundsUp(sign, significand, c.Rounding);
            return sign;
        }

        if (tiny && c.FlushToZero)
        {
            c.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
            return sign;
        }

        significand = WideInteger.ShiftRightSticky(significand, 1 - exponent);
        bool up = RoundsUp(sign, significand, c.Rounding);
        if ((significand & DroppedMask) != 0)
        {
            c.Raised |= FloatExceptions.Precision | (tiny ? FloatExceptions.Underflow : FloatExceptions.None);
            c.RoundedUp = up;
        }

        return sign | ((significand >> DroppedBits) + (up ? 1UL : 0));
    }

    private static ulong Overflow(ulong sign, bool inexact, ref FloatContext c)
    {
        bool masked = c.Raise(FloatExceptions.Overflow);
        c.Raised |= masked || inexact ? FloatExceptions.Precision : FloatExceptions.None;
        bool toInfinity = c.Rounding == RoundingMode.NearestEven || c.Rounding == (sign != 0 ? RoundingMode.Down : RoundingMode.Up);
        c.RoundedUp = toInfinity;
        return sign | (toInfinity ? Infinity : Infinity - 1);
    }
}
