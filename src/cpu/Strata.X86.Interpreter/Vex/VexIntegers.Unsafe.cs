using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Integer elements: shifts, extensions, sums that SSE does not have in the same shape.</summary>
internal static unsafe class VexIntegers
{
    public static void ShiftLeft2(VexOperands* o) => Shift(o, 2, &Left);

    public static void ShiftLeft4(VexOperands* o) => Shift(o, 4, &Left);

    public static void ShiftLeft8(VexOperands* o) => Shift(o, 8, &Left);

    public static void ShiftRight2(VexOperands* o) => Shift(o, 2, &Right);

    public static void ShiftRight4(VexOperands* o) => Shift(o, 4, &Right);

    public static void ShiftRight8(VexOperands* o) => Shift(o, 8, &Right);

    public static void ShiftSigned2(VexOperands* o) => Shift(o, 2, &Signed);

    public static void ShiftSigned4(VexOperands* o) => Shift(o, 4, &Signed);

    public static void ShiftEachLeft4(VexOperands* o) => ShiftEach(o, 4, &Left);

    public static void ShiftEachLeft8(VexOperands* o) => ShiftEach(o, 8, &Left);

    public static void ShiftEachRight4(VexOperands* o) => ShiftEach(o, 4, &Right);

    public static void ShiftEachRight8(VexOperands* o) => ShiftEach(o, 8, &Right);

    public static void ShiftEachSigned4(VexOperands* o) => ShiftEach(o, 4, &Signed);

    /// <summary>PSLLDQ: each lane by bytes.</summary>
    public static void ShiftBytesLeft(VexOperands* o)
    {
        for (int i = 0; i < o->Length; i++)
        {
            int from = (i & (LaneSize - 1)) - o->Immediate;
            o->R[i] = from >= 0 ? o->A[(i & ~(LaneSize - 1)) + from] : (byte)0;
        }
    }

    /// <summary>PSRLDQ: each lane by bytes.</summary>
    public static void ShiftBytesRight(VexOperands* o)
    {
        for (int i = 0; i < o->Length; i++)
        {
            int from = (i & (LaneSize - 1)) + o->Immediate;
            o->R[i] = from < LaneSize ? o->A[(i & ~(LaneSize - 1)) + from] : (byte)0;
        }
    }

    public static void ExtendSigned1To2(VexOperands* o) => Extend(o, 1, 2, signed: true);

    public static void ExtendSigned1To4(VexOperands* o) => Extend(o, 1, 4, signed: true);

    public static void ExtendSigned1To8(VexOperands* o) => Extend(o, 1, 8, signed: true);

    public static void ExtendSigned2To4(VexOperands* o) => Extend(o, 2, 4, signed: true);

    public static void ExtendSigned2To8(VexOperands* o) => Extend(o, 2, 8, signed: true);

    public static void ExtendSigned4To8(VexOperands* o) => Extend(o, 4, 8, signed: true);

    public static void ExtendZero1To2(VexOperands* o) => Extend(o, 1, 2, signed: false);

    public static void ExtendZero1To4(VexOperands* o) => Extend(o, 1, 4, signed: false);

    public static void ExtendZero1To8(VexOperands* o) => Extend(o, 1, 8, signed: false);

    public static void ExtendZero2To4(VexOperands* o) => Extend(o, 2, 4, signed: false);

    public static void ExtendZero2To8(VexOperands* o) => Extend(o, 2, 8, signed: false);

    public static void ExtendZero4To8(VexOperands* o) => Extend(o, 4, 8, signed: false);

    /// <summary>PHMINPOSUW.</summary>
    public static void MinimumPosition(VexOperands* o)
    {
        ushort* words = (ushort*)o->A;
        int best = 0;
        for (int i = 1; i < 8; i++)
        {
            best = words[i] < words[best] ? i : best;
        }

        *(ulong*)o->R = words[best] | ((ulong)best << 16);
    }

    /// <summary>MPSADBW: the lanes have three bits of the immediate each.</summary>
    public static void MultipleDifferences(VexOperands* o)
    {
        for (int lane = 0; lane < o->Length / LaneSize; lane++)
        {
            int control = o->Immediate >> (3 * lane);
            byte* a = o->A + (lane * LaneSize) + (control & 4);
            byte* b = o->B + (lane * LaneSize) + ((control & 3) * 4);
            for (int i = 0; i < 8; i++)
            {
                int sum = 0;
                for (int k = 0; k < 4; k++)
                {
                    sum += Math.Abs(a[i + k] - b[k]);
                }

                ((ushort*)(o->R + (lane * LaneSize)))[i] = (ushort)sum;
            }
        }
    }

    private static ulong Left(ulong value, ulong count, int bits) => count < (ulong)bits ? value << (int)count : 0;

    private static ulong Right(ulong value, ulong count, int bits) => count < (ulong)bits ? value >> (int)count : 0;

    private static ulong Signed(ulong value, ulong count, int bits) =>
        (ulong)(((long)value << (64 - bits)) >> (64 - bits) >> (int)Math.Min(count, 63));

    /// <summary>By one count: the immediate, or the low quadword of the second source.</summary>
    private static void Shift(VexOperands* o, int size, delegate*<ulong, ulong, int, ulong> function)
    {
        ulong count = o->Count == 1 ? (ulong)o->Immediate : *(ulong*)o->B;
        for (int i = 0; i < o->Length; i += size)
        {
            ulong value = 0;
            Move((byte*)&value, o->A + i, size);
            value = function(value, count, 8 * size);
            Move(o->R + i, (byte*)&value, size);
        }
    }

    private static void ShiftEach(VexOperands* o, int size, delegate*<ulong, ulong, int, ulong> function)
    {
        for (int i = 0; i < o->Length; i += size)
        {
            ulong value = 0;
            ulong count = 0;
            Move((byte*)&value, o->A + i, size);
            Move((byte*)&count, o->B + i, size);
            value = function(value, count, 8 * size);
            Move(o->R + i, (byte*)&value, size);
        }
    }

    private static void Extend(VexOperands* o, int from, int to, bool signed)
    {
        int spare = 64 - (8 * from);
        for (int i = 0; i < o->Length / to; i++)
        {
            ulong value = 0;
            Move((byte*)&value, o->A + (i * from), from);
            value = signed ? (ulong)((long)(value << spare) >> spare) : value;
            Move(o->R + (i * to), (byte*)&value, to);
        }
    }
}
