using System.Runtime.Intrinsics;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Moves of parts of registers, single elements and masks of signs.</summary>
internal static unsafe class VexMoves
{
    public static void Dword(VexOperands* o) => Move(o->R, o->A, 4);

    public static void Qword(VexOperands* o) => Move(o->R, o->A, 8);

    public static void Single(VexOperands* o) => Scalar(o, 4);

    public static void Double(VexOperands* o) => Scalar(o, 8);

    /// <summary>MOVLPS and MOVLPD: the low half from memory, or to memory.</summary>
    public static void Low(VexOperands* o)
    {
        Copy(o);
        Move(o->R, o->Count == 1 ? o->A : o->B, 8);
    }

    /// <summary>MOVHPS and MOVHPD: the high half from memory, or to memory.</summary>
    public static void High(VexOperands* o)
    {
        if (o->Count == 1)
        {
            Move(o->R, o->A + 8, 8);
            return;
        }

        Copy(o);
        Move(o->R + 8, o->B, 8);
    }

    public static void HighToLow(VexOperands* o)
    {
        Copy(o);
        Move(o->R, o->B + 8, 8);
    }

    public static void LowToHigh(VexOperands* o)
    {
        Copy(o);
        Move(o->R + 8, o->B, 8);
    }

    public static void DuplicateDouble(VexOperands* o)
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            Move(o->R + i, o->A + i, 8);
            Move(o->R + i + 8, o->A + i, 8);
        }
    }

    public static void Signs1(VexOperands* o) => Signs(o, 1);

    public static void Signs4(VexOperands* o) => Signs(o, 4);

    public static void Signs8(VexOperands* o) => Signs(o, 8);

    public static void Extract1(VexOperands* o) => Extract(o, 1);

    public static void Extract2(VexOperands* o) => Extract(o, 2);

    public static void Extract4(VexOperands* o) => Extract(o, 4);

    public static void Extract8(VexOperands* o) => Extract(o, 8);

    public static void Insert1(VexOperands* o) => Insert(o, 1);

    public static void Insert2(VexOperands* o) => Insert(o, 2);

    public static void Insert4(VexOperands* o) => Insert(o, 4);

    public static void Insert8(VexOperands* o) => Insert(o, 8);

    /// <summary>INSERTPS; memory is one element, and the immediate does not choose among the source's then.</summary>
    public static void InsertSingle(VexOperands* o)
    {
        int from = o->IsFromMemory ? 0 : (o->Immediate >> 6) & 3;
        Copy(o);
        uint* r = (uint*)o->R;
        r[(o->Immediate >> 4) & 3] = ((uint*)o->B)[from];
        for (int i = 0; i < 4; i++)
        {
            r[i] = (o->Immediate & (1 << i)) != 0 ? 0 : r[i];
        }
    }

    /// <summary>Between registers the rest comes from the first source; with memory it is zero, or stays where it is.</summary>
    private static void Scalar(VexOperands* o, int size)
    {
        if (o->Count == 1)
        {
            Move(o->R, o->A, size);
            return;
        }

        Copy(o);
        Move(o->R, o->B, size);
    }

    private static void Signs(VexOperands* o, int size)
    {
        uint mask = 0;
        for (int i = 0; i < o->Length / size; i++)
        {
            mask |= (uint)(o->A[(i * size) + size - 1] >> 7) << i;
        }

        *(ulong*)o->R = mask;
    }

    private static void Extract(VexOperands* o, int size) => Move(o->R, o->A + (o->Immediate * size & (LaneSize - 1)), size);

    private static void Insert(VexOperands* o, int size)
    {
        Copy(o);
        Move(o->R + (o->Immediate * size & (LaneSize - 1)), o->B, size);
    }

    /// <summary>PTEST and its kin: ZF where no bit is in both, CF where none is in the second alone.</summary>
    public static void Test(VexOperands* o) => TestBits(o, Vector256<byte>.AllBitsSet);

    public static void TestSingles(VexOperands* o) => TestBits(o, Vector256.Create(0x80000000u).AsByte());

    public static void TestDoubles(VexOperands* o) => TestBits(o, Vector256.Create(1UL << 63).AsByte());

    private static void TestBits(VexOperands* o, Vector256<byte> mask)
    {
        Vector256<byte> a = *(Vector256<byte>*)o->A;
        Vector256<byte> b = *(Vector256<byte>*)o->B & mask;
        if (o->Length == LaneSize)
        {
            b = b.WithUpper(Vector128<byte>.Zero);
        }

        o->Flags = ((a & b) == Vector256<byte>.Zero ? Registers.RFlags.ZF : 0)
            | (Vector256.AndNot(b, a) == Vector256<byte>.Zero ? Registers.RFlags.CF : 0);
    }
}
