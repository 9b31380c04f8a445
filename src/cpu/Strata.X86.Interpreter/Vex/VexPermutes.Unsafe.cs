using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Elements to other places: permutes, broadcasts, blends, halves.</summary>
internal static unsafe class VexPermutes
{
    public static void Broadcast1(VexOperands* o) => Broadcast(o, 1);

    public static void Broadcast2(VexOperands* o) => Broadcast(o, 2);

    public static void Broadcast4(VexOperands* o) => Broadcast(o, 4);

    public static void Broadcast8(VexOperands* o) => Broadcast(o, 8);

    public static void Broadcast16(VexOperands* o) => Broadcast(o, 16);

    /// <summary>VINSERTF128 and VINSERTI128.</summary>
    public static void InsertLane(VexOperands* o)
    {
        Copy(o);
        Move(o->R + ((o->Immediate & 1) * LaneSize), o->B, LaneSize);
    }

    /// <summary>VEXTRACTF128 and VEXTRACTI128.</summary>
    public static void ExtractLane(VexOperands* o) => Move(o->R, o->A + ((o->Immediate & 1) * LaneSize), LaneSize);

    /// <summary>VPERM2F128 and VPERM2I128: each lane is one of the four of both sources, or zero.</summary>
    public static void Lanes2(VexOperands* o)
    {
        for (int lane = 0; lane < 2; lane++)
        {
            int control = o->Immediate >> (4 * lane);
            byte* from = (control & 2) != 0 ? o->B : o->A;
            if ((control & 8) == 0)
            {
                Move(o->R + (lane * LaneSize), from + ((control & 1) * LaneSize), LaneSize);
            }
        }
    }

    /// <summary>VPERMD and VPERMPS: the first source has indices, the second elements.</summary>
    public static void DwordsAcross(VexOperands* o)
    {
        for (int i = 0; i < 8; i++)
        {
            ((uint*)o->R)[i] = ((uint*)o->B)[((uint*)o->A)[i] & 7];
        }
    }

    /// <summary>VPERMQ and VPERMPD.</summary>
    public static void QwordsAcross(VexOperands* o)
    {
        for (int i = 0; i < 4; i++)
        {
            ((ulong*)o->R)[i] = ((ulong*)o->A)[(o->Immediate >> (2 * i)) & 3];
        }
    }

    /// <summary>VPERMILPS, by an immediate or by the second source.</summary>
    public static void Singles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 4; i++)
        {
            int index = o->Count == 1 ? o->Immediate >> (2 * (i & 3)) : (int)((uint*)o->B)[i];
            ((uint*)o->R)[i] = ((uint*)o->A)[(i & ~3) + (index & 3)];
        }
    }

    /// <summary>VPERMILPD, by an immediate or by bit 1 of the second source's elements.</summary>
    public static void Doubles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            int index = o->Count == 1 ? o->Immediate >> i : (int)((ulong*)o->B)[i] >> 1;
            ((ulong*)o->R)[i] = ((ulong*)o->A)[(i & ~1) + (index & 1)];
        }
    }

    /// <summary>SHUFPD: two bits of the immediate a lane.</summary>
    public static void ShuffleDoubles(VexOperands* o)
    {
        for (int i = 0; i < o->Length / 8; i++)
        {
            ulong* from = (ulong*)((i & 1) == 0 ? o->A : o->B);
            ((ulong*)o->R)[i] = from[(i & ~1) + ((o->Immediate >> i) & 1)];
        }
    }

    /// <summary>PBLENDW: the same eight bits for each lane.</summary>
    public static void Blend2(VexOperands* o) => Blend(o, 2);

    public static void Blend4(VexOperands* o) => Blend(o, 4);

    public static void Blend8(VexOperands* o) => Blend(o, 8);

    public static void BlendBySign1(VexOperands* o) => BlendBySign(o, 1);

    public static void BlendBySign4(VexOperands* o) => BlendBySign(o, 4);

    public static void BlendBySign8(VexOperands* o) => BlendBySign(o, 8);

    private static void Broadcast(VexOperands* o, int size)
    {
        for (int i = 0; i < o->Length; i += size)
        {
            Move(o->R + i, o->A, size);
        }
    }

    private static void Blend(VexOperands* o, int size)
    {
        for (int i = 0; i < o->Length / size; i++)
        {
            bool second = (o->Immediate & (1 << (i & 7))) != 0;
            Move(o->R + (i * size), (second ? o->B : o->A) + (i * size), size);
        }
    }

    /// <summary>The third source's signs choose.</summary>
    private static void BlendBySign(VexOperands* o, int size)
    {
        for (int i = 0; i < o->Length; i += size)
        {
            bool second = (o->C[i + size - 1] & 0x80) != 0;
            Move(o->R + i, (second ? o->B : o->A) + i, size);
        }
    }
}
