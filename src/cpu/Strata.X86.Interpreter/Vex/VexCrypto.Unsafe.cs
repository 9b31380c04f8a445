using System.Runtime.Intrinsics;
using Strata.X86.Interpreter.Instructions;
using static Strata.X86.Interpreter.Vex.VexKernels;

namespace Strata.X86.Interpreter.Vex;

/// <summary>AES rounds and carry-less multiplication, lane by lane.</summary>
internal static unsafe class VexCrypto
{
    public static void Encrypt(VexOperands* o) => Round(o, inverse: false, mix: true);

    public static void EncryptLast(VexOperands* o) => Round(o, inverse: false, mix: false);

    public static void Decrypt(VexOperands* o) => Round(o, inverse: true, mix: true);

    public static void DecryptLast(VexOperands* o) => Round(o, inverse: true, mix: false);

    public static void InverseMixColumns(VexOperands* o) =>
        *(Vector128<byte>*)o->R = AesInstructions.InverseMixColumns(*(Vector128<byte>*)o->A);

    public static void KeyAssist(VexOperands* o) =>
        *(Vector128<byte>*)o->R = AesInstructions.AssistKey(*(Vector128<byte>*)o->A, (uint)o->Immediate);

    public static void CarrylessMultiply(VexOperands* o)
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            ulong a = ((ulong*)(o->A + i))[o->Immediate & 1];
            ulong b = ((ulong*)(o->B + i))[(o->Immediate >> 4) & 1];
            *(Vector128<byte>*)(o->R + i) = AesInstructions.MultiplyCarryless(a, b);
        }
    }

    private static void Round(VexOperands* o, bool inverse, bool mix)
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            *(Vector128<byte>*)(o->R + i) = AesInstructions.RoundOf(
                *(Vector128<byte>*)(o->A + i), *(Vector128<byte>*)(o->B + i), inverse, mix);
        }
    }
}
