namespace Strata.X86.Floating;

/// <content>
/// FSIN, FCOS, FSINCOS, FPTAN, FPATAN. Results are within one unit in the last place of the function of the reduced argument.
/// The reduction subtracts multiples of π/2 with π cut to 66 bits, as the silicon does; it is exact otherwise, so that results
/// near multiples of π agree with the hardware and not with a mathematical library.
/// Intel SDM Vol. 1, "Transcendental Instruction Accuracy" and "Approximation of Pi".
/// </content>
public static partial class Float80Math
{
    /// <summary>FSIN.</summary>
    /// <param name="outOfRange">C2: the magnitude is 2^63 or more and the operand is returned unchanged.</param>
    public static Float80 Sin(Float80 a, out bool outOfRange, ref FloatContext c)
    {
        if (IsSpecialAngle(a, out outOfRange, out Float80 result, ref c))
        {
            return result;
        }

        return a.IsZero ? a : SineOf(Reduce(a, out int quadrant), quadrant).Round(true, ref c);
    }

    /// <summary>FCOS.</summary>
    /// <inheritdoc cref="Sin"/>
    public static Float80 Cos(Float80 a, out bool outOfRange, ref FloatContext c)
    {
        if (IsSpecialAngle(a, out outOfRange, out Float80 result, ref c))
        {
            return result;
        }

        return a.IsZero ? Float80.One : SineOf(Reduce(a, out int quadrant), quadrant + 1).Round(true, ref c);
    }

    /// <summary>FSINCOS: the sine replaces the operand, the cosine is pushed.</summary>
    /// <inheritdoc cref="Sin"/>
    public static Float80 SinCos(Float80 a, out Float80 cosine, out bool outOfRange, ref FloatContext c)
    {
        cosine = Cos(a, out outOfRange, ref c);
        return Sin(a, out outOfRange, ref c);
    }

    /// <summary>FPTAN; the instruction also pushes 1.0 unless <paramref name="outOfRange"/>.</summary>
    /// <inheritdoc cref="Sin"/>
    public static Float80 Tan(Float80 a, out bool outOfRange, ref FloatContext c)
    {
        if (IsSpecialAngle(a, out outOfRange, out Float80 result, ref c) || a.IsZero)
        {
            return outOfRange || a.IsZero ? a : result;
        }

        WideFloat angle = Reduce(a, out int quadrant);
        if (angle.Exponent < -60 && (quadrant & 1) == 0)
        {
            // A little more than the angle itself.
            return angle.Round(true, ref c);
        }

        return (SineOf(angle, quadrant) / SineOf(angle, quadrant + 1)).Round(true, ref c);
    }

    /// <summary>FPATAN: the angle of the point (x, y), x = ST(0), y = ST(1).</summary>
    public static Float80 Atan2(Float80 y, Float80 x, ref FloatContext c)
    {
        if (y.IsNaN || x.IsNaN || y.IsUnsupported || x.IsUnsupported)
        {
            return PropagateNaN(x, y, ref c);
        }

        if (!AcceptDenormals(x, y, ref c))
        {
            return x;
        }

        if (y.IsZero && !x.IsNegative)
        {
            return y;
        }

        WideFloat angle = QuadrantAngle(y, x);
        return (angle with { Negative = y.IsNegative }).Round(true, ref c);
    }

    private static WideFloat QuadrantAngle(Float80 y, Float80 x)
    {
        WideFloat pi = TranscendentalConstants.Pi;
        WideFloat halfPi = TranscendentalConstants.HalfPi;
        if (y.IsInfinity && x.IsInfinity)
        {
            WideFloat quarter = halfPi with { Exponent = halfPi.Exponent - 1 };
            return x.IsNegative ? pi - quarter : quarter;
        }

        if (y.IsInfinity || x.IsZero)
        {
            return y.IsZero ? pi : halfPi;
        }

        if (x.IsInfinity || y.IsZero)
        {
            return x.IsNegative ? pi : WideFloat.Zero;
        }

        WideFloat wideX = WideFloat.From(x.Abs());
        WideFloat wideY = WideFloat.From(y.Abs());
        bool steep = wideY.Exponent > wideX.Exponent || (wideY.Exponent == wideX.Exponent && wideY.Significand > wideX.Significand);
        WideFloat angle = steep ? halfPi - ArcTangent(wideX, wideY) : ArcTangent(wideY, wideX);
        return x.IsNegative ? pi - angle : angle;
    }

    /// <summary>atan(y/x) for 0 ≤ y ≤ x: the nearest sixteenth comes from a table, what is left is at most 1/32.</summary>
    private static WideFloat ArcTangent(WideFloat y, WideFloat x)
    {
        WideFloat ratio = y / x;
        int index = ratio.Exponent < -5 ? 0 : (int)(((ratio.Significand >> (119 - ratio.Exponent)) + 8) >> 4);
        if (index != 0)
        {
            WideFloat step = WideFloat.FromInteger(index);
            step = step with { Exponent = step.Exponent - 4 };
            ratio = (y - (step * x)) / (x + (step * y));
        }

        WideFloat square = ratio * ratio;
        UInt128 series = WideFloat.Polynomial(TranscendentalConstants.OddReciprocals[..28], square.ToFraction(), alternating: true);
        WideFloat rest = ratio * WideFloat.Normalize(false, 0, series);
        ReadOnlySpan<ulong> table = TranscendentalConstants.ArcTangents;
        return WideFloat.Normalize(false, 0, new UInt128(table[2 * index], table[(2 * index) + 1])) + rest;
    }

    private static bool IsSpecialAngle(Float80 a, out bool outOfRange, out Float80 result, ref FloatContext c)
    {
        outOfRange = false;
        result = a;
        if (a.IsNaN || a.IsUnsupported)
        {
            result = PropagateNaN(a, a, ref c);
            return true;
        }

        if (a.IsInfinity)
        {
            result = Invalid(ref c);
            return true;
        }

        outOfRange = a.Exponent >= Float80.Bias + 63;
        return outOfRange || !AcceptDenormals(a, a, ref c);
    }

    /// <summary>Takes multiples of π/2 off, so that at most π/4 is left.</summary>
    private static WideFloat Reduce(Float80 a, out int quadrant)
    {
        quadrant = 0;
        int exponent = Unpack(a, out ulong significand) - Float80.Bias;
        if (exponent < -1)
        {
            return WideFloat.From(a);
        }

        UInt128 halfPi = TranscendentalConstants.ReductionHalfPi;
        UInt128 value = (UInt128)significand << (exponent + 2);
        (UInt128 quotient, UInt128 rest) = UInt128.DivRem(value, halfPi);
        bool negative = a.IsNegative;
        if (rest > halfPi >> 1)
        {
            rest = halfPi - rest;
            quotient++;
            negative = !negative;
        }

        quadrant = (int)(quotient & 3);
        quadrant = a.IsNegative ? -quadrant & 3 : quadrant;
        return WideFloat.Normalize(negative, 127 - 65, rest);
    }

    /// <summary>sin(angle + quadrant·π/2).</summary>
    private static WideFloat SineOf(WideFloat angle, int quadrant)
    {
        UInt128 square = (angle * angle).ToFraction();
        WideFloat result = (quadrant & 1) == 0
            ? angle * WideFloat.Normalize(false, 0, WideFloat.Polynomial(TranscendentalConstants.Sine, square, alternating: true))
            : WideFloat.Normalize(false, 0, WideFloat.Polynomial(TranscendentalConstants.Cosine, square, alternating: true));
        return (quadrant & 2) == 0 ? result : -result;
    }
}
