using Strata.X86.Floating;
using Strata.X86.Registers;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Floating-point comparisons, with the 32 predicates of VEX. Intel SDM Vol. 2A, "CMPPD".</summary>
internal static unsafe class VexComparisons
{
    private const int Greater = 8;
    private const int Less = 4;
    private const int Equal = 2;
    private const int Unordered = 1;

    /// <summary>Which relations fulfil the first 16 predicates; the others are the same with signaling exchanged for quiet.</summary>
    private static ReadOnlySpan<byte> Fulfilled =>
    [
        Equal, Less, Less | Equal, Unordered,
        Greater | Less | Unordered, Greater | Equal | Unordered, Greater | Unordered, Greater | Less | Equal,
        Equal | Unordered, Less | Unordered, Less | Equal | Unordered, 0,
        Greater | Less, Greater | Equal, Greater, Greater | Less | Equal | Unordered,
    ];

    public static void Packed32(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Compare(o, ((uint*)o->A)[i], ((uint*)o->B)[i]) ? uint.MaxValue : 0;
        }
    }

    public static void Packed64(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Compare(o, ((ulong*)o->A)[i], ((ulong*)o->B)[i]) ? ulong.MaxValue : 0;
        }
    }

    public static void Scalar32(VexOperands* o)
    {
        Copy(o);
        *(uint*)o->R = Compare(o, *(uint*)o->A, *(uint*)o->B) ? uint.MaxValue : 0;
    }

    public static void Scalar64(VexOperands* o)
    {
        Copy(o);
        *(ulong*)o->R = Compare(o, *(ulong*)o->A, *(ulong*)o->B) ? ulong.MaxValue : 0;
    }

    /// <summary>VUCOMISS.</summary>
    public static void Quiet32(VexOperands* o) =>
        o->Flags = FlagsOf(Float32.Compare(*(uint*)o->A, *(uint*)o->B, signaling: false, ref o->Float));

    /// <summary>VUCOMISD.</summary>
    public static void Quiet64(VexOperands* o) =>
        o->Flags = FlagsOf(Float64.Compare(*(ulong*)o->A, *(ulong*)o->B, signaling: false, ref o->Float));

    /// <summary>VCOMISS.</summary>
    public static void Signaling32(VexOperands* o) =>
        o->Flags = FlagsOf(Float32.Compare(*(uint*)o->A, *(uint*)o->B, signaling: true, ref o->Float));

    /// <summary>VCOMISD.</summary>
    public static void Signaling64(VexOperands* o) =>
        o->Flags = FlagsOf(Float64.Compare(*(ulong*)o->A, *(ulong*)o->B, signaling: true, ref o->Float));

    private static bool Compare(VexOperands* o, uint a, uint b) =>
        IsFulfilled(o, Float32.Compare(a, b, IsSignaling(o), ref o->Float));

    private static bool Compare(VexOperands* o, ulong a, ulong b) =>
        IsFulfilled(o, Float64.Compare(a, b, IsSignaling(o), ref o->Float));

    private static bool IsSignaling(VexOperands* o) => ((o->Immediate & 3) is 1 or 2) != ((o->Immediate & 16) != 0);

    private static bool IsFulfilled(VexOperands* o, FloatRelation relation)
    {
        int bit = relation switch
        {
            FloatRelation.Unordered => Unordered,
            FloatRelation.Less => Less,
            FloatRelation.Equal => Equal,
            _ => Greater,
        };
        return (Fulfilled[o->Immediate & 15] & bit) != 0;
    }

    private static ulong FlagsOf(FloatRelation relation) => relation switch
    {
        FloatRelation.Unordered => RFlags.ZF | RFlags.PF | RFlags.CF,
        FloatRelation.Less => RFlags.CF,
        FloatRelation.Equal => RFlags.ZF,
        _ => 0,
    };
}
