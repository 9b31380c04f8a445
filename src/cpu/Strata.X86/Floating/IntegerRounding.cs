namespace Strata.X86.Floating;

/// <summary>Rounding of a number to a signed integer, common to all formats.</summary>
internal static class IntegerRounding
{
    /// <param name="negative">Sign.</param>
    /// <param name="exponent">Unbiased: the value is significand × 2^(exponent − 63).</param>
    /// <param name="significand">Zero, or with bit 63 set.</param>
    /// <param name="bits">Width of the result.</param>
    public static long ToInteger(bool negative, int exponent, ulong significand, int bits, RoundingMode mode, ref FloatContext c)
    {
        if (exponent > 63)
        {
            c.Raised |= FloatExceptions.Invalid;
            return long.MinValue >> (64 - bits);
        }

        ulong magnitude = exponent < 0 ? 0 : significand >> (63 - exponent);
        ulong dropped = exponent < 0
            ? WideInteger.ShiftRightSticky(significand, -1 - exponent)
            : exponent == 63 ? 0 : significand << (exponent + 1);
        bool up = false;
        if (dropped != 0)
        {
            up = mode == RoundingMode.NearestEven
                ? dropped > 1UL << 63 || (dropped == 1UL << 63 && (magnitude & 1) != 0)
                : mode == (negative ? RoundingMode.Down : RoundingMode.Up);
            magnitude += up ? 1UL : 0;
        }

        ulong limit = (1UL << (bits - 1)) - (negative ? 0UL : 1);
        if (magnitude > limit || (up && magnitude == 0))
        {
            c.Raised |= FloatExceptions.Invalid;
            return long.MinValue >> (64 - bits);
        }

        if (dropped != 0)
        {
            c.Raised |= FloatExceptions.Precision;
            c.RoundedUp = up;
        }

        return negative ? -(long)magnitude : (long)magnitude;
    }
}
