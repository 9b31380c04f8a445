namespace Strata.X86.Floating;

/// <summary>Conversion between interchange formats. Intel SDM Vol. 2, "CVTSD2SS" and "CVTSS2SD".</summary>
internal static class FormatConversion<TFrom, TTo>
    where TFrom : struct, IBinaryFormat
    where TTo : struct, IBinaryFormat
{
    public static ulong Convert(ulong a, ref FloatContext c)
    {
        ulong sign = (a & BinaryArithmetic<TFrom>.SignBit) != 0 ? BinaryArithmetic<TTo>.SignBit : 0;
        if (BinaryArithmetic<TFrom>.IsNaN(a))
        {
            // The payload keeps its leading bits.
            ulong payload = BinaryArithmetic<TFrom>.PropagateNaN(a, a, ref c) << (64 - TFrom.FractionBits);
            return sign | BinaryArithmetic<TTo>.Infinity | (payload >> (64 - TTo.FractionBits));
        }

        if (BinaryArithmetic<TFrom>.ExponentOf(a) == BinaryArithmetic<TFrom>.MaxExponent)
        {
            return sign | BinaryArithmetic<TTo>.Infinity;
        }

        a = BinaryArithmetic<TFrom>.FlushOperand(a, ref c);
        int exponent = BinaryArithmetic<TFrom>.Unpack(a, out ulong significand);
        if (significand == 0 || (BinaryArithmetic<TFrom>.IsDenormal(a) && !c.Raise(FloatExceptions.Denormal)))
        {
            return sign;
        }

        return BinaryArithmetic<TTo>.RoundAndPack(
            sign, exponent - BinaryArithmetic<TFrom>.Bias + BinaryArithmetic<TTo>.Bias, significand, ref c);
    }
}
