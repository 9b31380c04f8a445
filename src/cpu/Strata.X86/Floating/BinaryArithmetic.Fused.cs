namespace Strata.X86.Floating;

/// <content>Fused multiply-add with one rounding. Intel SDM Vol. 1, "Fused-Multiply-ADD (FMA) Numeric Behavior".</content>
internal static partial class BinaryArithmetic<TFormat>
{
    /// <summary>a × b + addend. NaN priority is a, b, addend.</summary>
    public static ulong FusedMultiplyAdd(ulong a, ulong b, ulong addend, ref FloatContext c)
    {
        if (IsNaN(a) || IsNaN(b) || IsNaN(addend))
        {
            return PropagateNaN(a, b, addend, ref c);
        }

        a = FlushOperand(a, ref c);
        b = FlushOperand(b, ref c);
        addend = FlushOperand(addend, ref c);
        ulong sign = (a ^ b) & SignBit;
        ulong magnitudeA = a & ~SignBit;
        ulong magnitudeB = b & ~SignBit;
        bool infinite = magnitudeA == Infinity || magnitudeB == Infinity;
        bool zero = magnitudeA == 0 || magnitudeB == 0;
        bool addendInfinite = (addend & ~SignBit) == Infinity;
        if ((infinite && zero) || (infinite && addendInfinite && (addend & SignBit) != sign))
        {
            return Invalid(ref c);
        }

        if (!AcceptDenormals(a, b, ref c) || !AcceptDenormals(addend, addend, ref c) || addendInfinite)
        {
            return addend;
        }

        return infinite ? sign | Infinity : FusedFinite(sign, a, b, addend, ref c);
    }

    private static ulong PropagateNaN(ulong a, ulong b, ulong addend, ref FloatContext c)
    {
        if (IsSignalingNaN(a) || IsSignalingNaN(b) || IsSignalingNaN(addend))
        {
            c.Raised |= FloatExceptions.Invalid;
        }

        return (IsNaN(a) ? a : IsNaN(b) ? b : addend) | QuietBit;
    }

    private static ulong FusedFinite(ulong sign, ulong a, ulong b, ulong addend, ref FloatContext c)
    {
        int exponentA = Unpack(a, out ulong significandA);
        int exponentB = Unpack(b, out ulong significandB);
        int exponentC = Unpack(addend, out ulong significandC);
        ulong signC = addend & SignBit;
        ulong high = Math.BigMul(significandA, significandB, out ulong low);

        // Integer bits at bit 126: the product of two significands in [1, 2) may reach 4.
        UInt128 product = new UInt128(high, low) >> 1;
        int exponent = exponentA + exponentB - Bias + 1;
        UInt128 other = new UInt128(significandC, 0) >> 1;
        if (product == 0)
        {
            exponent = ExponentOfZero;
        }

        if (exponent < exponentC)
        {
            (exponent, exponentC) = (exponentC, exponent);
            (product, other) = (other, product);
            (sign, signC) = (signC, sign);
        }

        ulong otherHigh = (ulong)(other >> 64);
        ulong otherLow = (ulong)other;
        WideInteger.ShiftRightSticky(ref otherHigh, ref otherLow, exponent - exponentC);
        other = new UInt128(otherHigh, otherLow);
        return sign == signC ? FinishSum(sign, exponent, product + other, sign, ref c)
            : product >= other ? FinishSum(sign, exponent, product - other, c.Rounding == RoundingMode.Down ? SignBit : 0, ref c)
            : FinishSum(signC, exponent, other - product, 0, ref c);
    }

    private static ulong FinishSum(ulong sign, int exponent, UInt128 sum, ulong signOfZero, ref FloatContext c)
    {
        if (sum == 0)
        {
            return signOfZero;
        }

        int shift = (int)UInt128.LeadingZeroCount(sum);
        sum <<= shift;
        ulong significand = (ulong)(sum >> 64) | ((ulong)sum != 0 ? 1UL : 0);
        return RoundAndPack(sign, exponent + 1 - shift, significand, ref c);
    }
}
