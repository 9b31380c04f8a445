using System.Runtime.Intrinsics;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>What floating-point SIMD instructions have in common: their registers as elements, MXCSR, sources, the end.</summary>
internal static unsafe class SseFloatOperands
{
    public static FloatContext Context(X86Cpu cpu) => FloatContext.FromMxcsr(cpu.State.Mxcsr);

    public static uint* Singles(X86Cpu cpu, ushort offset) => (uint*)((byte*)cpu.Context + offset);

    public static ulong* Doubles(X86Cpu cpu, ushort offset) => (ulong*)((byte*)cpu.Context + offset);

    /// <summary>A scalar source is 4 or 8 bytes of memory, without alignment; a packed one 16.</summary>
    public static bool TryReadSource(X86Cpu cpu, Op* op, bool scalar, bool wide, out Vector128<byte> source)
    {
        if (!scalar)
        {
            return Simd.TryRead(cpu, op, 1, out source);
        }

        source = default;
        if (!Operands.TryRead(cpu, op, 1, wide ? 8 : 4, out ulong value))
        {
            return false;
        }

        source = Vector128.Create(value, 0).AsByte();
        return true;
    }

    public static void Finish(X86Cpu cpu, Op* op, in FloatContext c, Vector128<byte> result)
    {
        if (Simd.Post(cpu, c))
        {
            Operands.Xmm(cpu, op->Reg0) = result;
        }
    }
}
