using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using static Strata.X86.Interpreter.Instructions.SseFloatOperands;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>SSE and SSE2 arithmetic on the software floating point, element by element: scalar and packed, single and double.</summary>
internal static unsafe class SseFloatInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Addss, &Scalar32<FloatAdd>);
        table.Add(Mnemonic.Addsd, &Scalar64<FloatAdd>);
        table.Add(Mnemonic.Addps, &Packed32<FloatAdd>);
        table.Add(Mnemonic.Addpd, &Packed64<FloatAdd>);
        table.Add(Mnemonic.Subss, &Scalar32<FloatSubtract>);
        table.Add(Mnemonic.Subsd, &Scalar64<FloatSubtract>);
        table.Add(Mnemonic.Subps, &Packed32<FloatSubtract>);
        table.Add(Mnemonic.Subpd, &Packed64<FloatSubtract>);
        table.Add(Mnemonic.Mulss, &Scalar32<FloatMultiply>);
        table.Add(Mnemonic.Mulsd, &Scalar64<FloatMultiply>);
        table.Add(Mnemonic.Mulps, &Packed32<FloatMultiply>);
        table.Add(Mnemonic.Mulpd, &Packed64<FloatMultiply>);
        table.Add(Mnemonic.Divss, &Scalar32<FloatDivide>);
        table.Add(Mnemonic.Divsd, &Scalar64<FloatDivide>);
        table.Add(Mnemonic.Divps, &Packed32<FloatDivide>);
        table.Add(Mnemonic.Divpd, &Packed64<FloatDivide>);
        table.Add(Mnemonic.Sqrtss, &Scalar32<FloatSquareRoot>);
        table.Add(Mnemonic.Sqrtsd, &Scalar64<FloatSquareRoot>);
        table.Add(Mnemonic.Sqrtps, &Packed32<FloatSquareRoot>);
        table.Add(Mnemonic.Sqrtpd, &Packed64<FloatSquareRoot>);
        table.Add(Mnemonic.Minss, &Scalar32<FloatMinimum>);
        table.Add(Mnemonic.Minsd, &Scalar64<FloatMinimum>);
        table.Add(Mnemonic.Minps, &Packed32<FloatMinimum>);
        table.Add(Mnemonic.Minpd, &Packed64<FloatMinimum>);
        table.Add(Mnemonic.Maxss, &Scalar32<FloatMaximum>);
        table.Add(Mnemonic.Maxsd, &Scalar64<FloatMaximum>);
        table.Add(Mnemonic.Maxps, &Packed32<FloatMaximum>);
        table.Add(Mnemonic.Maxpd, &Packed64<FloatMaximum>);
    }

    private static void Scalar32<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 4, out ulong b))
        {
            return;
        }

        FloatContext c = Context(cpu);
        uint r = TOperation.Apply(*Singles(cpu, op->Reg0), (uint)b, ref c);
        if (Simd.Post(cpu, c))
        {
            *Singles(cpu, op->Reg0) = r;
        }
    }

    private static void Scalar64<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, 8, out ulong b))
        {
            return;
        }

        FloatContext c = Context(cpu);
        ulong r = TOperation.Apply(*Doubles(cpu, op->Reg0), b, ref c);
        if (Simd.Post(cpu, c))
        {
            *Doubles(cpu, op->Reg0) = r;
        }
    }

    private static void Packed32<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 4; i++)
        {
            ((uint*)&result)[i] = TOperation.Apply(Singles(cpu, op->Reg0)[i], ((uint*)&source)[i], ref c);
        }

        Finish(cpu, op, c, result);
    }

    private static void Packed64<TOperation>(X86Cpu cpu, Op* op)
        where TOperation : IFloatOperation
    {
        if (!Simd.Begin(cpu, op) || !Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            return;
        }

        FloatContext c = Context(cpu);
        Vector128<byte> result = default;
        for (int i = 0; i < 2; i++)
        {
            ((ulong*)&result)[i] = TOperation.Apply(Doubles(cpu, op->Reg0)[i], ((ulong*)&source)[i], ref c);
        }

        Finish(cpu, op, c, result);
    }
}
