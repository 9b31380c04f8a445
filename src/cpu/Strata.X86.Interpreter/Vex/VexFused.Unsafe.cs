using Strata.X86.Floating;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Which operands a fused multiply-add multiplies, and which it adds: the digits in its name.</summary>
internal unsafe interface IFusedOrder
{
    static abstract byte* First(VexOperands* o);

    static abstract byte* Second(VexOperands* o);

    static abstract byte* Addend(VexOperands* o);
}

/// <summary>What a fused multiply-add negates, by element.</summary>
internal interface IFusedSigns
{
    static abstract bool NegatesProduct { get; }

    static abstract bool NegatesAddend(int element);
}

/// <summary>FMA3. A scalar one leaves the rest of its destination's low half.</summary>
internal static unsafe class VexFused
{
    public static void Packed32<TOrder, TSigns>(VexOperands* o)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            ((uint*)o->R)[i] = Apply32<TOrder, TSigns>(o, i);
        }
    }

    public static void Packed64<TOrder, TSigns>(VexOperands* o)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ((ulong*)o->R)[i] = Apply64<TOrder, TSigns>(o, i);
        }
    }

    public static void Scalar32<TOrder, TSigns>(VexOperands* o)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        Move(o->R, o->D, LaneSize);
        *(uint*)o->R = Apply32<TOrder, TSigns>(o, 0);
    }

    public static void Scalar64<TOrder, TSigns>(VexOperands* o)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        Move(o->R, o->D, LaneSize);
        *(ulong*)o->R = Apply64<TOrder, TSigns>(o, 0);
    }

    private static uint Apply32<TOrder, TSigns>(VexOperands* o, int i)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        uint a = ((uint*)TOrder.First(o))[i];
        uint b = ((uint*)TOrder.Second(o))[i];
        uint c = ((uint*)TOrder.Addend(o))[i];
        a = TSigns.NegatesProduct ? Negate(a) : a;
        c = TSigns.NegatesAddend(i) ? Negate(c) : c;
        return Float32.FusedMultiplyAdd(a, b, c, ref o->Float);
    }

    private static ulong Apply64<TOrder, TSigns>(VexOperands* o, int i)
        where TOrder : IFusedOrder
        where TSigns : IFusedSigns
    {
        ulong a = ((ulong*)TOrder.First(o))[i];
        ulong b = ((ulong*)TOrder.Second(o))[i];
        ulong c = ((ulong*)TOrder.Addend(o))[i];
        a = TSigns.NegatesProduct ? Negate(a) : a;
        c = TSigns.NegatesAddend(i) ? Negate(c) : c;
        return Float64.FusedMultiplyAdd(a, b, c, ref o->Float);
    }

    /// <summary>A NaN is handed on with its own sign.</summary>
    private static uint Negate(uint a) => Float32.IsNaN(a) ? a : a ^ 0x80000000;

    private static ulong Negate(ulong a) => Float64.IsNaN(a) ? a : a ^ (1UL << 63);

    internal readonly struct Order132 : IFusedOrder
    {
        public static byte* First(VexOperands* o) => o->D;

        public static byte* Second(VexOperands* o) => o->B;

        public static byte* Addend(VexOperands* o) => o->A;
    }

    internal readonly struct Order213 : IFusedOrder
    {
        public static byte* First(VexOperands* o) => o->A;

        public static byte* Second(VexOperands* o) => o->D;

        public static byte* Addend(VexOperands* o) => o->B;
    }

    internal readonly struct Order231 : IFusedOrder
    {
        public static byte* First(VexOperands* o) => o->A;

        public static byte* Second(VexOperands* o) => o->B;

        public static byte* Addend(VexOperands* o) => o->D;
    }

    internal readonly struct Add : IFusedSigns
    {
        public static bool NegatesProduct => false;

        public static bool NegatesAddend(int element) => false;
    }

    internal readonly struct Subtract : IFusedSigns
    {
        public static bool NegatesProduct => false;

        public static bool NegatesAddend(int element) => true;
    }

    internal readonly struct NegativeAdd : IFusedSigns
    {
        public static bool NegatesProduct => true;

        public static bool NegatesAddend(int element) => false;
    }

    internal readonly struct NegativeSubtract : IFusedSigns
    {
        public static bool NegatesProduct => true;

        public static bool NegatesAddend(int element) => true;
    }

    /// <summary>Odd elements add, even ones subtract.</summary>
    internal readonly struct AddSubtract : IFusedSigns
    {
        public static bool NegatesProduct => false;

        public static bool NegatesAddend(int element) => (element & 1) == 0;
    }

    /// <summary>Odd elements subtract, even ones add.</summary>
    internal readonly struct SubtractAdd : IFusedSigns
    {
        public static bool NegatesProduct => false;

        public static bool NegatesAddend(int element) => (element & 1) != 0;
    }
}
