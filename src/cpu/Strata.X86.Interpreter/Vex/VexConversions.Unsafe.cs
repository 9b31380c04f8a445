using Strata.X86.Floating;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Conversions between integers and floats of three sizes.</summary>
internal static unsafe class VexConversions
{
    public static void IntegerToSingle(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = o->IsWide ? Float32.FromInt64(*(long*)o->B, ref o->Float) : Float32.FromInt32(*(int*)o->B, ref o->Float);
    }

    public static void IntegerToDouble(VexOperands* o)
    {
        Copy(o);
        *(ulong*)o->R = o->IsWide ? Float64.FromInt64(*(long*)o->B, ref o->Float) : Float64.FromInt32(*(int*)o->B, ref o->Float);
    }

    public static void SingleToInteger(VexOperands* o) => SingleToInteger(o, o->Float.Rounding);

    public static void SingleToIntegerCut(VexOperands* o) => SingleToInteger(o, RoundingMode.TowardZero);

    public static void DoubleToInteger(VexOperands* o) => DoubleToInteger(o, o->Float.Rounding);

    public static void DoubleToIntegerCut(VexOperands* o) => DoubleToInteger(o, RoundingMode.TowardZero);

    public static void SingleToDouble(VexOperands* o)
    {
        Copy(o);
        *(ulong*)o->R = Float32.ToFloat64(*(uint*)o->B, ref o->Float);
    }

    public static void DoubleToSingle(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = Float64.ToFloat32(*(ulong*)o->B, ref o->Float);
    }

    public static void SinglesToDoubles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Float32.ToFloat64(((uint*)o->A)[i], ref o->Float);
        }
    }

    public static void DoublesToSingles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((uint*)o->R)[i] = Float64.ToFloat32(((ulong*)o->A)[i], ref o->Float);
        }
    }

    public static void IntegersToSingles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Float32.FromInt32(((int*)o->A)[i], ref o->Float);
        }
    }

    public static void IntegersToDoubles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Float64.FromInt32(((int*)o->A)[i], ref o->Float);
        }
    }

    public static void SinglesToIntegers(VexOperands* o) => SinglesToIntegers(o, o->Float.Rounding);

    public static void SinglesToIntegersCut(VexOperands* o) => SinglesToIntegers(o, RoundingMode.TowardZero);

    public static void DoublesToIntegers(VexOperands* o) => DoublesToIntegers(o, o->Float.Rounding);

    public static void DoublesToIntegersCut(VexOperands* o) => DoublesToIntegers(o, RoundingMode.TowardZero);

    /// <summary>VCVTPH2PS.</summary>
    public static void HalvesToSingles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Float16.ToFloat32(((ushort*)o->A)[i], ref o->Float);
        }
    }

    /// <summary>VCVTPS2PH; bit 2 of the immediate takes MXCSR's rounding.</summary>
    public static void SinglesToHalves(VexOperands* o)
    {
        RoundingMode mode = (o->Immediate & 4) != 0 ? o->Float.Rounding : (RoundingMode)(o->Immediate & 3);
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((ushort*)o->R)[i] = Float16.FromFloat32(((uint*)o->A)[i], mode, ref o->Float);
        }
    }

    private static void SingleToInteger(VexOperands* o, RoundingMode mode) => *(ulong*)o->R = o->IsWide
        ? (ulong)Float32.ToInt64(*(uint*)o->A, mode, ref o->Float)
        : (uint)Float32.ToInt32(*(uint*)o->A, mode, ref o->Float);

    private static void DoubleToInteger(VexOperands* o, RoundingMode mode) => *(ulong*)o->R = o->IsWide
        ? (ulong)Float64.ToInt64(*(ulong*)o->A, mode, ref o->Float)
        : (uint)Float64.ToInt32(*(ulong*)o->A, mode, ref o->Float);

    private static void SinglesToIntegers(VexOperands* o, RoundingMode mode)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((int*)o->R)[i] = Float32.ToInt32(((uint*)o->A)[i], mode, ref o->Float);
        }
    }

    private static void DoublesToIntegers(VexOperands* o, RoundingMode mode)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((int*)o->R)[i] = Float64.ToInt32(((ulong*)o->A)[i], mode, ref o->Float);
        }
    }
}
