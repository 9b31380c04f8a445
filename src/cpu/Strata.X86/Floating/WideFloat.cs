namespace Strata.X86.Floating;

/// <summary>
/// A number with a 128-bit significand, for intermediate results of transcendental functions: its operations err by a few
/// units in the last place, about 2^−124, and have no special values.
/// </summary>
/// <param name="Negative">Sign.</param>
/// <param name="Exponent">The value is <paramref name="Significand"/> × 2^(Exponent − 127).</param>
/// <param name="Significand">Bit 127 set, or zero.</param>
internal readonly record struct WideFloat(bool Negative, int Exponent, UInt128 Significand)
{
    /// <summary>1 in fixed point with 127 fraction bits.</summary>
    private static UInt128 Unit => UInt128.One << 127;

    public static WideFloat Zero => default;

    public static WideFloat One => new(false, 0, UInt128.One << 127);

    public bool IsZero => Significand == UInt128.Zero;

    public static WideFloat FromInteger(int value) => Normalize(value < 0, 127, (UInt128)(uint)Math.Abs(value));

    /// <summary>A finite number.</summary>
    public static WideFloat From(Float80 a)
    {
        int exponent = Float80Math.Unpack(a, out ulong significand) - Float80.Bias;
        return new WideFloat(a.IsNegative, exponent, new UInt128(significand, 0));
    }

    /// <summary>A number in fixed point: value × 2^(exponent − 127).</summary>
    public static WideFloat Normalize(bool negative, int exponent, UInt128 value)
    {
        int shift = (int)UInt128.LeadingZeroCount(value);
        return value == UInt128.Zero ? Zero : new WideFloat(negative, exponent - shift, value << shift);
    }

    public static WideFloat operator -(WideFloat a) => a with { Negative = !a.Negative };

    public static WideFloat operator -(WideFloat a, WideFloat b) => a + -b;

    public static WideFloat operator +(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
        {
            return a.IsZero ? b : a;
        }

        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
        }

        int distance = a.Exponent - b.Exponent + 1;
        UInt128 larger = a.Significand >> 1;
        UInt128 smaller = distance < 128 ? b.Significand >> distance : UInt128.Zero;
        return Normalize(a.Negative, a.Exponent + 1, a.Negative == b.Negative ? larger + smaller : larger - smaller);
    }

    public static WideFloat operator *(WideFloat a, WideFloat b) =>
        Normalize(a.Negative != b.Negative, a.Exponent + b.Exponent + 1, MultiplyHigh(a.Significand, b.Significand));

    public static WideFloat operator /(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
        {
            return a;
        }

        // Two quotient digits of 64 bits. The first, from the leading half of the divisor alone, may be a little too large.
        ulong divisorHigh = (ulong)(b.Significand >> 64);
        ulong divisorLow = (ulong)b.Significand;
        UInt128 dividend = a.Significand >> 1;
        ulong first = WideInteger.Divide((ulong)(dividend >> 64), (ulong)dividend, divisorHigh, out ulong rest);

        // dividend·2^64 − first·divisor = rest·2^64 − first·divisorLow, modulo 2^128; negative while first is too large.
        UInt128 back = Multiply(first, divisorLow);
        UInt128 remainder = new UInt128(rest, 0) - back;
        bool negative = new UInt128(rest, 0) < back;
        while (negative)
        {
            first--;
            UInt128 next = remainder + b.Significand;
            negative = next >= remainder;
            remainder = next;
        }

        ulong remainderHigh = (ulong)(remainder >> 64);
        ulong second = remainderHigh >= divisorHigh
            ? ulong.MaxValue
            : WideInteger.Divide(remainderHigh, (ulong)remainder, divisorHigh, out _);
        return Normalize(a.Negative != b.Negative, a.Exponent - b.Exponent, new UInt128(first, second));
    }

    /// <summary>Upper half of the product, a unit or two too small.</summary>
    public static UInt128 MultiplyHigh(UInt128 a, UInt128 b)
    {
        ulong aHigh = (ulong)(a >> 64);
        ulong bHigh = (ulong)(b >> 64);
        UInt128 high = Multiply(aHigh, bHigh);
        ulong middle = Math.BigMul(aHigh, (ulong)b, out _);
        ulong other = Math.BigMul((ulong)a, bHigh, out _);
        return high + middle + other;
    }

    /// <summary>
    /// Sum of c[k]·z^k, all in fixed point: coefficients and result with 127 fraction bits, z with 128.
    /// </summary>
    /// <param name="coefficients">Halves of the coefficients, the constant term first.</param>
    /// <param name="alternating">The signs alternate: the argument is −z.</param>
    public static UInt128 Polynomial(ReadOnlySpan<ulong> coefficients, UInt128 z, bool alternating)
    {
        UInt128 sum = UInt128.Zero;
        for (int i = coefficients.Length - 2; i >= 0; i -= 2)
        {
            UInt128 term = MultiplyHigh(sum, z);
            UInt128 coefficient = new(coefficients[i], coefficients[i + 1]);
            sum = alternating ? coefficient - term : coefficient + term;
        }

        // An alternating series that starts with 1 is below 1 however small z is: directed rounding must see that.
        return alternating && sum >= Unit ? Unit - 1 : sum;
    }

    /// <summary>The magnitude in fixed point with 128 fraction bits; the number is below 1.</summary>
    public UInt128 ToFraction() => Exponent <= -129 ? UInt128.Zero : Significand >> (-1 - Exponent);

    /// <summary>Rounds to extended precision.</summary>
    /// <param name="inexact">The exact result has more bits than these.</param>
    public Float80 Round(bool inexact, ref FloatContext c) => IsZero
        ? Float80.Zero(Negative ? 0x8000 : 0)
        : Float80Math.RoundAndPack(
            Negative
                ? 0x8000
                : 0, Exponent + Float80.Bias, (ulong)(Significand >> 64), (ulong)Significand | (inexact ? 1UL : 0), 64, ref c);

    private static UInt128 Multiply(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return new UInt128(high, low);
    }
}
