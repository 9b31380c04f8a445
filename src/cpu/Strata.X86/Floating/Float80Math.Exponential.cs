namespace Strata.X86.Floating;

/// <content>F2XM1, FYL2X, FYL2XP1, within one unit in the last place. Intel SDM Vol. 2, "F2XM1", "FYL2X", "FYL2XP1".</content>
public static partial class Float80Math
{
    /// <summary>F2XM1: 2^a − 1 for −1 ≤ a ≤ 1. Outside, where the manual leaves the result open, the operand comes back.</summary>
    public static Float80 F2xm1(Float80 a, ref FloatContext c)
    {
        if (a.IsNaN || a.IsUnsupported)
        {
            return PropagateNaN(a, a, ref c);
        }

        if (a.IsInfinity)
        {
            return a.IsNegative ? Float80.One.Negate() : a;
        }

        if (a.IsZero || !AcceptDenormals(a, a, ref c) || a.Exponent > Float80.Bias)
        {
            return a;
        }

        if (a.Exponent == Float80.Bias)
        {
            return a.Significand != Float80.IntegerBit ? a
                : a.IsNegative ? new Float80(Float80.IntegerBit, 0x8000 | (Float80.Bias - 1)) : a;
        }

        WideFloat y = WideFloat.From(a) * TranscendentalConstants.Ln2;
        UInt128 series = WideFloat.Polynomial(TranscendentalConstants.Exponential, y.ToFraction(), alternating: y.Negative);
        return (y * WideFloat.Normalize(false, 0, series)).Round(true, ref c);
    }

    /// <summary>FYL2X: y × log2(x), x = ST(0), y = ST(1).</summary>
    public static Float80 Fyl2x(Float80 y, Float80 x, ref FloatContext c)
    {
        if (y.IsNaN || x.IsNaN || y.IsUnsupported || x.IsUnsupported)
        {
            return PropagateNaN(x, y, ref c);
        }

        if ((x.IsNegative && !x.IsZero) || (x.IsZero && y.IsZero))
        {
            return Invalid(ref c);
        }

        if (x.IsZero)
        {
            return LogarithmOfZero(y, ref c);
        }

        bool one = x.Exponent == Float80.Bias && x.Significand == Float80.IntegerBit;
        if ((y.IsInfinity && one) || (y.IsZero && x.IsInfinity))
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(x, y, ref c))
        {
            return x;
        }

        bool below = x.Exponent < Float80.Bias;
        int sign = below ? y.Sign ^ 0x8000 : y.Sign;
        if (y.IsInfinity || x.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        return y.IsZero || one ? Float80.Zero(sign) : LogarithmTimes(y, x, ref c);
    }

    /// <summary>FYL2XP1: y × log2(x + 1) for x between −(1 − √½) and √2 − 1; it goes on smoothly beyond, down to −1.</summary>
    public static Float80 Fyl2xp1(Float80 y, Float80 x, ref FloatContext c)
    {
        if (y.IsNaN || x.IsNaN || y.IsUnsupported || x.IsUnsupported)
        {
            return PropagateNaN(x, y, ref c);
        }

        if ((x.IsInfinity && (x.IsNegative || y.IsZero)) || (x.IsZero && y.IsInfinity))
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(x, y, ref c))
        {
            return x;
        }

        int sign = x.Sign ^ y.Sign;
        if (x.IsInfinity || y.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (x.IsZero || y.IsZero)
        {
            return Float80.Zero(sign);
        }

        if (x.Exponent >= Float80.Bias - 1)
        {
            WideFloat sum = WideFloat.From(x) + WideFloat.One;
            return sum.IsZero || sum.Negative ? x : Product(BinaryLogarithm(sum), y, ref c);
        }

        WideFloat small = WideFloat.From(x);
        return Product(LogarithmSeries(small, small + WideFloat.FromInteger(2)), y, ref c);
    }

    private static Float80 LogarithmOfZero(Float80 y, ref FloatContext c)
    {
        if (!y.IsInfinity)
        {
            c.Raised |= FloatExceptions.DivideByZero;
        }

        return Float80.Infinity(y.Sign ^ 0x8000);
    }

    private static Float80 LogarithmTimes(Float80 y, Float80 x, ref FloatContext c)
    {
        WideFloat argument = WideFloat.From(x);
        if (argument.Significand == UInt128.One << 127)
        {
            // The logarithm is an integer, so that the product may be exact. Silicon calls it inexact all the same.
            Float80 product = (WideFloat.FromInteger(argument.Exponent) * WideFloat.From(y)).Round(false, ref c);
            c.Raised |= FloatExceptions.Precision | (product.Exponent == 0 ? FloatExceptions.Underflow : FloatExceptions.None);
            return product;
        }

        return Product(BinaryLogarithm(argument), y, ref c);
    }

    private static Float80 Product(WideFloat logarithm, Float80 y, ref FloatContext c) =>
        (logarithm * WideFloat.From(y)).Round(true, ref c);

    /// <summary>log2(x) = e + log2(m) with m between √½ and √2.</summary>
    private static WideFloat BinaryLogarithm(WideFloat x)
    {
        // Upper half of the significand of √2.
        bool large = (ulong)(x.Significand >> 64) > 0xB504F333F9DE6484;
        int exponent = large ? x.Exponent + 1 : x.Exponent;
        WideFloat m = x with { Exponent = large ? -1 : 0 };
        return WideFloat.FromInteger(exponent) + LogarithmSeries(m - WideFloat.One, m + WideFloat.One);
    }

    /// <summary>log2((1 + s)/(1 − s)) = 2/ln 2 × atanh(s), s = numerator/denominator, at most 0.172.</summary>
    private static WideFloat LogarithmSeries(WideFloat numerator, WideFloat denominator)
    {
        WideFloat s = numerator / denominator;
        UInt128 series = WideFloat.Polynomial(TranscendentalConstants.OddReciprocals, (s * s).ToFraction(), alternating: false);
        return TranscendentalConstants.TwoOverLn2 * s * WideFloat.Normalize(false, 0, series);
    }
}
