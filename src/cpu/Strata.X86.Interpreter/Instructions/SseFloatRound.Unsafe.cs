using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using static Strata.X86.Interpreter.Instructions.SseFloatOperands;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Rounding to integral values, and the approximations of reciprocals and reciprocal square roots.</summary>
internal static unsafe class SseFloatRoundInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Roundss, &Round);
        table.Add(Mnemonic.Roundsd, &Round);
        table.Add(Mnemonic.Roundps, &Round);
        table.Add(Mnemonic.Roundpd, &Round);
        table.Add(Mnemonic.Rcpss, &Reciprocal);
        table.Add(Mnemonic.Rcpps, &Reciprocal);
        table.Add(Mnemonic.Rsqrtss, &ReciprocalRoot);
        table.Add(Mnemonic.Rsqrtps, &ReciprocalRoot);
    }

    private static void Round(X86Cpu cpu, Op* op)
    {
        Mnemonic mnemonic = (Mnemonic)op->Mnemonic;
        bool scalar = mnemonic is Mnemonic.Roundss or Mnemonic.Roundsd;
        bool wide = mnemonic is Mnemonic.Roundsd or Mnemonic.Roundpd;
        if (!Simd.Begin(cpu, op) || !TryReadSource(cpu, op, scalar, wide, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        RoundingMode mode = (op->Imm & 4) != 0 ? c.Rounding : (RoundingMode)(op->Imm & 3);
        bool quiet = (op->Imm & 8) != 0;
        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        int lanes = scalar ? 1 : wide ? 2 : 4;
        for (int i = 0; i < lanes; i++)
        {
            if (wide)
            {
                ((ulong*)&result)[i] = Float64.RoundToIntegral(((ulong*)&source)[i], mode, quiet, ref c);
            }
            else
            {
                ((uint*)&result)[i] = Float32.RoundToIntegral(((uint*)&source)[i], mode, quiet, ref c);
            }
        }

        Finish(cpu, op, c, result);
    }

    /// <summary>
    /// 1/x with a relative error below 1.5 * 2^-12: the correctly rounded value cut to 12 bits of significand. No flags.
    /// </summary>
    private static void Reciprocal(X86Cpu cpu, Op* op) => Approximate(cpu, op, (Mnemonic)op->Mnemonic == Mnemonic.Rcpss, &ReciprocalOf);

    private static void ReciprocalRoot(X86Cpu cpu, Op* op) =>
        Approximate(cpu, op, (Mnemonic)op->Mnemonic == Mnemonic.Rsqrtss, &ReciprocalRootOf);

    private static void Approximate(X86Cpu cpu, Op* op, bool scalar, delegate*<uint, uint> function)
    {
        if (!Simd.Begin(cpu, op) || !TryReadSource(cpu, op, scalar, wide: false, out Vector128<byte> source))
        {
            return;
        }

        Vector128<byte> result = Operands.Xmm(cpu, op->Reg0);
        for (int i = 0; i < (scalar ? 1 : 4); i++)
        {
            ((uint*)&result)[i] = function(((uint*)&source)[i]);
        }

        Operands.Xmm(cpu, op->Reg0) = result;
    }

    private const uint SignBit = 0x80000000;
    private const uint Infinity = 0x7F800000;
    private const uint QuietBit = 0x00400000;

    private static uint Truncate(uint value) => (value + 0x800) & 0xFFFFF000;

    private static bool IsNaN(uint value) => (value & ~SignBit) > Infinity;

    /// <summary>Denormals count as zero and results that would be denormal become zero.</summary>
    public static uint ReciprocalOf(uint a)
    {
        if (IsNaN(a))
        {
            return a | QuietBit;
        }

        if ((a & Infinity) == 0)
        {
            return (a & SignBit) | Infinity;
        }

        uint r = BitConverter.SingleToUInt32Bits((float)(1.0 / BitConverter.UInt32BitsToSingle(a)));
        return (r & Infinity) == 0 ? r & SignBit : Truncate(r);
    }

    public static uint ReciprocalRootOf(uint a)
    {
        if (IsNaN(a))
        {
            return a | QuietBit;
        }

        if ((a & Infinity) == 0)
        {
            return (a & SignBit) | Infinity;
        }

        if ((a & SignBit) != 0)
        {
            return 0xFFC00000;
        }

        return Truncate(BitConverter.SingleToUInt32Bits((float)(1.0 / Math.Sqrt(BitConverter.UInt32BitsToSingle(a)))));
    }
}
