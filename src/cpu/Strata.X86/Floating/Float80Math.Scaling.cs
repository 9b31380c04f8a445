namespace Strata.X86.Floating;

/// <content>FSCALE, FXTRACT and packed decimal. Intel SDM Vol. 2, "FSCALE", "FXTRACT", "FBLD", "FBSTP".</content>
public static partial class Float80Math
{
    private const ulong DecimalLimit = 1_000_000_000_000_000_000;

    /// <summary>FSCALE: a × 2^trunc(b).</summary>
    public static Float80 Scale(Float80 a, Float80 b, ref FloatContext c)
    {
        if (a.IsNaN || b.IsNaN || a.IsUnsupported || b.IsUnsupported)
        {
            return PropagateNaN(a, b, ref c);
        }

        if (b.IsInfinity)
        {
            if (b.IsNegative ? a.IsInfinity : a.IsZero)
            {
                return Invalid(ref c);
            }

            AcceptDenormals(a, b, ref c);
            return a.IsInfinity || a.IsZero ? a : b.IsNegative ? Float80.Zero(a.Sign) : Float80.Infinity(a.Sign);
        }

        if (!AcceptDenormals(a, b, ref c) || a.IsInfinity || a.IsZero)
        {
            return a;
        }

        int exponent = Unpack(a, out ulong significand);
        int places = Math.Min(b.Exponent - Float80.Bias, 20);
        int shift = places < 0 ? 0 : (int)(b.Significand >> (63 - places));
        exponent += b.IsNegative ? -shift : shift;

        // Where even the wrapped exponent of the unmasked response does not fit, the result is infinity or zero in every rounding mode.
        if (exponent >= Float80.MaxExponent + ExponentWrap && (c.Masks & FloatExceptions.Overflow) == 0)
        {
            c.Raised |= FloatExceptions.Overflow | FloatExceptions.Precision;
            c.RoundedUp = true;
            return Float80.Infinity(a.Sign);
        }

        if (exponent <= -ExponentWrap && (c.Masks & FloatExceptions.Underflow) == 0)
        {
            c.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
            return Float80.Zero(a.Sign);
        }

        return RoundAndPack(a.Sign, exponent, significand, 0, 64, ref c);
    }

    /// <summary>FXTRACT: the significand, in [1, 2) with the sign of a, and the unbiased exponent as a number.</summary>
    public static Float80 Extract(Float80 a, out Float80 exponent, ref FloatContext c)
    {
        if (a.IsNaN || a.IsUnsupported)
        {
            return exponent = PropagateNaN(a, a, ref c);
        }

        if (a.IsInfinity)
        {
            exponent = Float80.Infinity(0);
            return a;
        }

        if (a.IsZero)
        {
            c.Raised |= FloatExceptions.DivideByZero;
            exponent = Float80.Infinity(0x8000);
            return a;
        }

        AcceptDenormals(a, a, ref c);
        exponent = FromInt32(Unpack(a, out ulong significand) - Float80.Bias);
        return new Float80(significand, (ushort)(a.Sign | Float80.Bias));
    }

    /// <summary>FBLD: eighteen decimal digits, two a byte, the sign in bit 15 of <paramref name="high"/>. Exact.</summary>
    public static Float80 FromBcd(ulong low, ushort high)
    {
        ulong value = 0;
        for (int shift = 4; shift >= 0; shift -= 4)
        {
            value = (value * 10) + (ulong)((high >> shift) & 15);
        }

        for (int shift = 60; shift >= 0; shift -= 4)
        {
            value = (value * 10) + ((low >> shift) & 15);
        }

        Float80 number = FromInt64((long)value);
        return new Float80(number.Significand, (ushort)((high & 0x8000) | number.Exponent));
    }

    /// <summary>FBSTP: rounds to an integer; from 10^18 on it is invalid and stores the packed BCD indefinite.</summary>
    public static void ToBcd(Float80 a, out ulong low, out ushort high, ref FloatContext c)
    {
        FloatContext rounding = c;
        long value = ToInteger(a, 64, c.Rounding, ref rounding);
        ulong magnitude = value < 0 ? (ulong)-value : (ulong)value;
        low = 0xC000000000000000;
        high = 0xFFFF;
        if (magnitude >= DecimalLimit)
        {
            c.Raised |= FloatExceptions.Invalid;
            return;
        }

        c = rounding;
        low = 0;
        for (int shift = 0; shift < 64; shift += 4)
        {
            (magnitude, ulong digit) = Math.DivRem(magnitude, 10);
            low |= digit << shift;
        }

        high = (ushort)(a.Sign | (int)(magnitude % 10) | ((int)(magnitude / 10) << 4));
    }
}
