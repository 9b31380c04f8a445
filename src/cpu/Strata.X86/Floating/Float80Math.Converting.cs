using System.Numerics;

namespace Strata.X86.Floating;

/// <content>
/// Conversions to and from the formats in memory. Intel SDM Vol. 2, "FLD", "FST/FSTP", "FILD", "FIST/FISTP", "FISTTP", "FRNDINT".
/// </content>
public static partial class Float80Math
{
    /// <summary>FLD m32fp.</summary>
    public static Float80 FromFloat32(uint a, ref FloatContext c) => Load<Binary32>(a, ref c);

    /// <summary>FLD m64fp.</summary>
    public static Float80 FromFloat64(ulong a, ref FloatContext c) => Load<Binary64>(a, ref c);

    /// <summary>A memory operand of FADD and the like: exact, a signaling NaN stays one, no exception.</summary>
    /// <param name="denormal">The operand was denormal in its format, which the result no longer shows.</param>
    public static Float80 WidenFloat32(uint a, out bool denormal) => Widen<Binary32>(a, out denormal);

    /// <inheritdoc cref="WidenFloat32"/>
    public static Float80 WidenFloat64(ulong a, out bool denormal) => Widen<Binary64>(a, out denormal);

    /// <summary>FST m32fp. After an unmasked exception other than precision nothing is stored.</summary>
    public static uint ToFloat32(Float80 a, ref FloatContext c) => (uint)Narrow<Binary32>(a, ref c);

    /// <summary>FST m64fp. After an unmasked exception other than precision nothing is stored.</summary>
    public static ulong ToFloat64(Float80 a, ref FloatContext c) => Narrow<Binary64>(a, ref c);

    /// <summary>FILD; exact.</summary>
    public static Float80 FromInt64(long value)
    {
        if (value == 0)
        {
            return default;
        }

        ulong magnitude = value < 0 ? (ulong)-value : (ulong)value;
        int shift = BitOperations.LeadingZeroCount(magnitude);
        return new Float80(magnitude << shift, (ushort)((value < 0 ? 0x8000 : 0) | (Float80.Bias + 63 - shift)));
    }

    /// <inheritdoc cref="FromInt64"/>
    public static Float80 FromInt32(int value) => FromInt64(value);

    /// <inheritdoc cref="FromInt64"/>
    public static Float80 FromInt16(short value) => FromInt64(value);

    /// <summary>FIST m16int: 0x8000 and invalid if out of range.</summary>
    public static short ToInt16(Float80 a, RoundingMode mode, ref FloatContext c) => (short)ToInteger(a, 16, mode, ref c);

    /// <summary>FIST m32int: 0x80000000 and invalid if out of range.</summary>
    public static int ToInt32(Float80 a, RoundingMode mode, ref FloatContext c) => (int)ToInteger(a, 32, mode, ref c);

    /// <summary>FISTP m64int: 0x8000000000000000 and invalid if out of range.</summary>
    public static long ToInt64(Float80 a, RoundingMode mode, ref FloatContext c) => ToInteger(a, 64, mode, ref c);

    /// <summary>FRNDINT.</summary>
    /// <param name="suppressPrecision">An inexact result raises nothing.</param>
    public static Float80 RoundToIntegral(Float80 a, RoundingMode mode, bool suppressPrecision, ref FloatContext c)
    {
        if (a.IsNaN || a.IsUnsupported)
        {
            return PropagateNaN(a, a, ref c);
        }

        if (a.Exponent >= Float80.Bias + 63 || a.IsZero || !AcceptDenormals(a, a, ref c))
        {
            return a;
        }

        int exponent = Unpack(a, out ulong significand) - Float80.Bias;
        ulong whole = exponent < 0 ? 0 : significand >> (63 - exponent);
        ulong dropped = exponent < 0 ? WideInteger.ShiftRightSticky(significand, -1 - exponent) : significand << (exponent + 1);
        bool up = RoundsUp(a.Sign, (whole & 1) != 0, dropped, mode);
        if (dropped != 0 && !suppressPrecision)
        {
            c.Raised |= FloatExceptions.Precision;
            c.RoundedUp = up;
        }

        whole += up ? 1UL : 0;
        return whole == 0
            ? Float80.Zero(a.Sign)
            : new Float80(FromInt64((long)whole).Significand, (ushort)(a.Sign | FromInt64((long)whole).Exponent));
    }

    private static long ToInteger(Float80 a, int bits, RoundingMode mode, ref FloatContext c)
    {
        if (a.Exponent == Float80.MaxExponent || a.IsUnsupported)
        {
            c.Raised |= FloatExceptions.Invalid;
            return long.MinValue >> (64 - bits);
        }

        int exponent = Unpack(a, out ulong significand) - Float80.Bias;
        return IntegerRounding.ToInteger(a.IsNegative, exponent, significand, bits, mode, ref c);
    }

    private static Float80 Load<TFormat>(ulong a, ref FloatContext c)
        where TFormat : struct, IBinaryFormat
    {
        Float80 wide = Widen<TFormat>(a, out bool denormal);
        if (denormal)
        {
            c.Raised |= FloatExceptions.Denormal;
        }

        return wide.IsNaN ? PropagateNaN(wide, wide, ref c) : wide;
    }

    private static Float80 Widen<TFormat>(ulong a, out bool denormal)
        where TFormat : struct, IBinaryFormat
    {
        int sign = (a & BinaryArithmetic<TFormat>.SignBit) != 0 ? 0x8000 : 0;
        denormal = BinaryArithmetic<TFormat>.IsDenormal(a);
        if (BinaryArithmetic<TFormat>.ExponentOf(a) == BinaryArithmetic<TFormat>.MaxExponent)
        {
            return new Float80((a << (63 - TFormat.FractionBits)) | Float80.IntegerBit, (ushort)(sign | Float80.MaxExponent));
        }

        int exponent = BinaryArithmetic<TFormat>.Unpack(a, out ulong significand) - BinaryArithmetic<TFormat>.Bias + Float80.Bias;
        return significand == 0 ? Float80.Zero(sign) : new Float80(significand, (ushort)(sign | exponent));
    }

    private static ulong Narrow<TFormat>(Float80 a, ref FloatContext c)
        where TFormat : struct, IBinaryFormat
    {
        ulong sign = a.IsNegative ? BinaryArithmetic<TFormat>.SignBit : 0;
        if (a.IsUnsupported)
        {
            return BinaryArithmetic<TFormat>.Invalid(ref c);
        }

        if (a.IsNaN)
        {
            Float80 quiet = PropagateNaN(a, a, ref c);
            return sign | BinaryArithmetic<TFormat>.Infinity | ((quiet.Significand << 1) >> (64 - TFormat.FractionBits));
        }

        if (a.IsInfinity)
        {
            return sign | BinaryArithmetic<TFormat>.Infinity;
        }

        if (a.IsZero)
        {
            return sign;
        }

        // Stores raise no denormal exception, and one that an unmasked exception abandons is not inexact.
        FloatExceptions before = c.Raised;
        c.Raised = FloatExceptions.None;
        int exponent = Unpack(a, out ulong significand);
        ulong result = BinaryArithmetic<TFormat>.RoundAndPack(
            sign, exponent - Float80.Bias + BinaryArithmetic<TFormat>.Bias, significand, ref c);
        c.Raised = before | ((c.Unmasked & ~FloatExceptions.Precision) != 0 ? c.Raised & ~FloatExceptions.Precision : c.Raised);
        return result;
    }
}
