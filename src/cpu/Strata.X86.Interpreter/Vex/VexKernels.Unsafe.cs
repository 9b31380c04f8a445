using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Strata.X86.Interpreter.Instructions;

namespace Strata.X86.Interpreter.Vex;

/// <summary>
/// Kernels made of the operations that SSE has: AVX does in each lane of 16 bytes what SSE does in a register, with a result apart from
/// the first source.
/// </summary>
internal static unsafe class VexKernels
{
    public const int LaneSize = 16;

    /// <summary>The first source as it is.</summary>
    public static void Copy(VexOperands* o) => Unsafe.CopyBlockUnaligned(o->R, o->A, VexOperands.RegisterSize);

    public static void Vector<TOperation>(VexOperands* o)
        where TOperation : IVectorOperation
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            *(Vector128<byte>*)(o->R + i) = TOperation.Apply(*(Vector128<byte>*)(o->A + i), *(Vector128<byte>*)(o->B + i));
        }
    }

    /// <summary>Two sources, and the same immediate in each lane.</summary>
    public static void Lanes<TOperation>(VexOperands* o)
        where TOperation : ISpanOperation
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            TOperation.Apply(o->R + i, o->A + i, o->B + i, LaneSize, o->Immediate);
        }
    }

    /// <summary>One source, and the same immediate in each lane.</summary>
    public static void Unary<TOperation>(VexOperands* o)
        where TOperation : ISpanOperation
    {
        for (int i = 0; i < o->Length; i += LaneSize)
        {
            TOperation.Apply(o->R + i, o->A + i, o->A + i, LaneSize, o->Immediate);
        }
    }

    /// <summary>Copies an element of <paramref name="size"/> bytes.</summary>
    public static void Move(byte* to, byte* from, int size) => Unsafe.CopyBlockUnaligned(to, from, (uint)size);
}
