using Strata.X86.Floating;
using Strata.X86.Interpreter.Instructions;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Floating-point arithmetic on the software floating point. Of a scalar result, the rest comes from the first source.</summary>
internal static unsafe class VexFloats
{
    public static void Packed32<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = TOperation.Apply(((uint*)o->A)[i], ((uint*)o->B)[i], ref o->Float);
        }
    }

    public static void Packed64<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = TOperation.Apply(((ulong*)o->A)[i], ((ulong*)o->B)[i], ref o->Float);
        }
    }

    public static void Scalar32<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        Copy(o);
        *(uint*)o->R = TOperation.Apply(*(uint*)o->A, *(uint*)o->B, ref o->Float);
    }

    public static void Scalar64<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        Copy(o);
        *(ulong*)o->R = TOperation.Apply(*(ulong*)o->A, *(ulong*)o->B, ref o->Float);
    }

    public static void Roots32(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Float32.Sqrt(((uint*)o->A)[i], ref o->Float);
        }
    }

    public static void Roots64(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Float64.Sqrt(((ulong*)o->A)[i], ref o->Float);
        }
    }

    public static void Reciprocals(VexOperands* o) => Approximate(o, &SseFloatRoundInstructions.ReciprocalOf);

    public static void ReciprocalRoots(VexOperands* o) => Approximate(o, &SseFloatRoundInstructions.ReciprocalRootOf);

    public static void Reciprocal(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = SseFloatRoundInstructions.ReciprocalOf(*(uint*)o->B);
    }

    public static void ReciprocalRoot(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = SseFloatRoundInstructions.ReciprocalRootOf(*(uint*)o->B);
    }

    public static void Rounds32(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Round(o, ((uint*)o->A)[i]);
        }
    }

    public static void Rounds64(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Round(o, ((ulong*)o->A)[i]);
        }
    }

    public static void Round32(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = Round(o, *(uint*)o->B);
    }

    public static void Round64(VexOperands* o)
    {
        Copy(o);
        *(ulong*)o->R = Round(o, *(ulong*)o->B);
    }

    public static void AddSubtract32(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            uint a = ((uint*)o->A)[i];
            uint b = ((uint*)o->B)[i];
            ((uint*)o->R)[i] = (i & 1) != 0 ? Float32.Add(a, b, ref o->Float) : Float32.Sub(a, b, ref o->Float);
        }
    }

    public static void AddSubtract64(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ulong a = ((ulong*)o->A)[i];
            ulong b = ((ulong*)o->B)[i];
            ((ulong*)o->R)[i] = (i & 1) != 0 ? Float64.Add(a, b, ref o->Float) : Float64.Sub(a, b, ref o->Float);
        }
    }

    public static void Horizontal32<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            uint* from = (uint*)((i & 2) == 0 ? o->A : o->B) + (i & ~3) + (2 * (i & 1));
            ((uint*)o->R)[i] = TOperation.Apply(from[0], from[1], ref o->Float);
        }
    }

    public static void Horizontal64<TOperation>(VexOperands* o)
        where TOperation : IFloatOperation
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ulong* from = (ulong*)((i & 1) == 0 ? o->A : o->B) + (i & ~1);
            ((ulong*)o->R)[i] = TOperation.Apply(from[0], from[1], ref o->Float);
        }
    }

    /// <summary>DPPS: in each lane.</summary>
    public static void DotProduct32(VexOperands* o)
    {
        uint* terms = stackalloc uint[4];
        for (int lane = 0; lane < o->Length / 4; lane += 4)
        {
            for (int i = 0; i < 4; i++)
            {
                bool counts = (o->Immediate & (0x10 << i)) != 0;
                terms[i] = counts ? Float32.Mul(((uint*)o->A)[lane + i], ((uint*)o->B)[lane + i], ref o->Float) : 0;
            }

            uint sum = Float32.Add(
                Float32.Add(terms[0], terms[1], ref o->Float), Float32.Add(terms[2], terms[3], ref o->Float), ref o->Float);
            for (int i = 0; i < 4; i++)
            {
                ((uint*)o->R)[lane + i] = (o->Immediate & (1 << i)) != 0 ? sum : 0;
            }
        }
    }

    /// <summary>DPPD.</summary>
    public static void DotProduct64(VexOperands* o)
    {
        ulong* a = (ulong*)o->A;
        ulong* b = (ulong*)o->B;
        ulong low = (o->Immediate & 0x10) != 0 ? Float64.Mul(a[0], b[0], ref o->Float) : 0;
        ulong high = (o->Immediate & 0x20) != 0 ? Float64.Mul(a[1], b[1], ref o->Float) : 0;
        ulong sum = Float64.Add(low, high, ref o->Float);
        ((ulong*)o->R)[0] = (o->Immediate & 1) != 0 ? sum : 0;
        ((ulong*)o->R)[1] = (o->Immediate & 2) != 0 ? sum : 0;
    }

    private static RoundingMode ModeOf(VexOperands* o) =>
        (o->Immediate & 4) != 0 ? o->Float.Rounding : (RoundingMode)(o->Immediate & 3);

    private static uint Round(VexOperands* o, uint a) =>
        Float32.RoundToIntegral(a, ModeOf(o), (o->Immediate & 8) != 0, ref o->Float);

    private static ulong Round(VexOperands* o, ulong a) =>
        Float64.RoundToIntegral(a, ModeOf(o), (o->Immediate & 8) != 0, ref o->Float);

    private static void Approximate(VexOperands* o, delegate*<uint, uint> function)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = function(((uint*)o->A)[i]);
        }
    }
}
