using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Instructions with condition codes or a second result: trigonometry, remainders, FXTRACT. Intel SDM Vol. 1, "Trigonometric Instructions".
/// </summary>
internal static unsafe class X87Functions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Fsin, &Trigonometric);
        table.Add(Mnemonic.Fcos, &Trigonometric);
        table.Add(Mnemonic.Fsincos, &PushingTrigonometric);
        table.Add(Mnemonic.Fptan, &PushingTrigonometric);
        table.Add(Mnemonic.Fprem, &Remainder);
        table.Add(Mnemonic.Fprem1, &Remainder);
        table.Add(Mnemonic.Fxtract, &Extract);
    }

    private static void Trigonometric(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (X87Stack.IsEmpty(cpu, 0))
        {
            SetC2(cpu, false);
            if (X87Stack.Underflow(cpu))
            {
                X87Stack.Write(cpu, 0, Float80.DefaultNaN);
            }

            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 angle = X87Stack.Read(cpu, 0);
        Float80 result = (Mnemonic)op->Mnemonic == Mnemonic.Fsin
            ? Float80Math.Sin(angle, out bool outOfRange, ref c)
            : Float80Math.Cos(angle, out outOfRange, ref c);
        SetC2(cpu, outOfRange);
        X87Arithmetic.Finish(cpu, 0, result, c);
    }

    private static void PushingTrigonometric(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        SetC2(cpu, false);
        if (StackFault(cpu))
        {
            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 angle = X87Stack.Read(cpu, 0);
        bool tangent = (Mnemonic)op->Mnemonic == Mnemonic.Fptan;
        Float80 second = Float80.One;
        Float80 first = tangent
            ? Float80Math.Tan(angle, out bool outOfRange, ref c)
            : Float80Math.SinCos(angle, out second, out outOfRange, ref c);
        SetC2(cpu, outOfRange);
        if (X87Arithmetic.Finish(cpu, 0, first, c) && !outOfRange)
        {
            X87Stack.Push(cpu, tangent && first.IsNaN ? first : second);
        }
    }

    private static void Remainder(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        SetC2(cpu, false);
        if (X87Stack.IsEmpty(cpu, 0) || X87Stack.IsEmpty(cpu, 1))
        {
            if (X87Stack.Underflow(cpu))
            {
                X87Stack.Write(cpu, 0, Float80.DefaultNaN);
            }

            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 dividend = X87Stack.Read(cpu, 0);
        Float80 divisor = X87Stack.Read(cpu, 1);
        Float80 result = (Mnemonic)op->Mnemonic == Mnemonic.Fprem
            ? Float80Math.PartialRemainder(dividend, divisor, out int quotient, out bool incomplete, ref c)
            : Float80Math.PartialRemainderIeee(dividend, divisor, out quotient, out incomplete, ref c);
        int conditions = incomplete ? X87Stack.C2
            : ((quotient & 4) != 0 ? X87Stack.C0 : 0) | ((quotient & 2) != 0 ? X87Stack.C3 : 0) | ((quotient & 1) != 0 ? X87Stack.C1 : 0);
        if (X87Arithmetic.Finish(cpu, 0, result, c) && !result.IsNaN)
        {
            X87Stack.SetConditions(cpu, conditions);
        }
    }

    private static void Extract(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op) || StackFault(cpu))
        {
            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 significand = Float80Math.Extract(X87Stack.Read(cpu, 0), out Float80 exponent, ref c);
        if (X87Arithmetic.Finish(cpu, 0, exponent, c))
        {
            X87Stack.Push(cpu, significand);
        }
    }

    /// <summary>Stack faults of an instruction that reads ST(0) and pushes; the masked response makes both results NaN.</summary>
    private static bool StackFault(X86Cpu cpu)
    {
        bool empty = X87Stack.IsEmpty(cpu, 0);
        if (!empty && X87Stack.IsEmpty(cpu, 7))
        {
            return false;
        }

        if (empty ? X87Stack.Underflow(cpu) : X87Stack.Overflow(cpu))
        {
            X87Stack.Write(cpu, 0, Float80.DefaultNaN);
            X87Stack.Push(cpu, Float80.DefaultNaN);
        }

        return true;
    }

    private static void SetC2(X86Cpu cpu, bool value) =>
        cpu.State.Fsw = (ushort)((cpu.State.Fsw & ~X87Stack.C2) | (value ? X87Stack.C2 : 0));
}
