using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// FADD, FSUB, FMUL, FDIV in all forms, and the one-operand functions. Intel SDM Vol. 1, "Basic Arithmetic Instructions".
/// </summary>
internal static unsafe class X87Arithmetic
{
    private interface IOperation
    {
        /// <param name="a">The destination.</param>
        /// <param name="b">The source.</param>
        static abstract Float80 Apply(Float80 a, Float80 b, ref FloatContext c);
    }

    private interface IFunction
    {
        static abstract Float80 Apply(Float80 a, ref FloatContext c);
    }

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Fadd, &Binary<Addition>);
        table.Add(Mnemonic.Faddp, &BinaryPop<Addition>);
        table.Add(Mnemonic.Fiadd, &Binary<Addition>);
        table.Add(Mnemonic.Fsub, &Binary<Subtraction>);
        table.Add(Mnemonic.Fsubp, &BinaryPop<Subtraction>);
        table.Add(Mnemonic.Fisub, &Binary<Subtraction>);
        table.Add(Mnemonic.Fsubr, &Binary<ReverseSubtraction>);
        table.Add(Mnemonic.Fsubrp, &BinaryPop<ReverseSubtraction>);
        table.Add(Mnemonic.Fisubr, &Binary<ReverseSubtraction>);
        table.Add(Mnemonic.Fmul, &Binary<Multiplication>);
        table.Add(Mnemonic.Fmulp, &BinaryPop<Multiplication>);
        table.Add(Mnemonic.Fimul, &Binary<Multiplication>);
        table.Add(Mnemonic.Fdiv, &Binary<Division>);
        table.Add(Mnemonic.Fdivp, &BinaryPop<Division>);
        table.Add(Mnemonic.Fidiv, &Binary<Division>);
        table.Add(Mnemonic.Fdivr, &Binary<ReverseDivision>);
        table.Add(Mnemonic.Fdivrp, &BinaryPop<ReverseDivision>);
        table.Add(Mnemonic.Fidivr, &Binary<ReverseDivision>);
        table.Add(Mnemonic.Fsqrt, &Unary<SquareRoot>);
        table.Add(Mnemonic.Frndint, &Unary<RoundToInteger>);
        table.Add(Mnemonic.F2xm1, &Unary<PowerMinusOne>);
        table.Add(Mnemonic.Fscale, &Scale);
        table.Add(Mnemonic.Fyl2x, &Combine<Logarithm>);
        table.Add(Mnemonic.Fyl2xp1, &Combine<LogarithmOfOnePlus>);
        table.Add(Mnemonic.Fpatan, &Combine<ArcTangent>);
    }

    /// <summary>Writes a result unless an unmasked operand exception forbids it, and sets C1 to the rounding direction.</summary>
    /// <returns>Whether it was written.</returns>
    public static bool Finish(X86Cpu cpu, int destination, Float80 result, in FloatContext c)
    {
        X87Stack.SetC1(cpu, c.RoundedUp);
        X87Stack.Post(cpu, c.Raised);
        if ((c.Unmasked & X87Stack.OperandExceptions) != 0)
        {
            return false;
        }

        X87Stack.Write(cpu, destination, result);
        return true;
    }

    private static void Binary<T>(X86Cpu cpu, Op* op)
        where T : struct, IOperation
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (op->Kind0 == OperandKind.Memory)
        {
            WithMemory<T>(cpu, op);
        }
        else
        {
            BetweenRegisters<T>(cpu, op->Reg0, op->Reg1);
        }
    }

    private static void BinaryPop<T>(X86Cpu cpu, Op* op)
        where T : struct, IOperation
    {
        if (X87Stack.Begin(cpu, op) && BetweenRegisters<T>(cpu, op->Reg0, op->Reg1))
        {
            X87Stack.Pop(cpu);
        }
    }

    private static bool BetweenRegisters<T>(X86Cpu cpu, int destination, int source)
        where T : struct, IOperation
    {
        if (X87Stack.IsEmpty(cpu, destination) || X87Stack.IsEmpty(cpu, source))
        {
            return Underflow(cpu, destination);
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 result = T.Apply(X87Stack.Read(cpu, destination), X87Stack.Read(cpu, source), ref c);
        return Finish(cpu, destination, result, c);
    }

    /// <summary>Stack underflow of an instruction that would write a register.</summary>
    private static bool Underflow(X86Cpu cpu, int destination)
    {
        if (!X87Stack.Underflow(cpu))
        {
            return false;
        }

        X87Stack.Write(cpu, destination, Float80.DefaultNaN);
        return true;
    }

    private static void WithMemory<T>(X86Cpu cpu, Op* op)
        where T : struct, IOperation
    {
        if (!X87Memory.TryLoadOperand(cpu, op, out Float80 source, out bool denormal))
        {
            return;
        }

        if (X87Stack.IsEmpty(cpu, 0))
        {
            Underflow(cpu, 0);
            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 destination = X87Stack.Read(cpu, 0);
        Float80 result = T.Apply(destination, source, ref c);
        if (denormal)
        {
            X87Memory.AddDenormal(destination, ref c);
        }

        Finish(cpu, 0, result, c);
    }

    private static void Unary<T>(X86Cpu cpu, Op* op)
        where T : struct, IFunction
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        if (X87Stack.IsEmpty(cpu, 0))
        {
            Underflow(cpu, 0);
            return;
        }

        FloatContext c = FloatContext.FromX87(cpu.State.Fcw);
        Float80 result = T.Apply(X87Stack.Read(cpu, 0), ref c);
        Finish(cpu, 0, result, c);
    }

    private static void Scale(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.Begin(cpu, op))
        {
            return;
        }

        BetweenRegisters<ScaleByPower>(cpu, 0, 1);
    }

    /// <summary>ST(1) becomes a function of ST(1) and ST(0), then the stack is popped.</summary>
    private static void Combine<T>(X86Cpu cpu, Op* op)
        where T : struct, IOperation
    {
        if (X87Stack.Begin(cpu, op) && BetweenRegisters<T>(cpu, 1, 0))
        {
            X87Stack.Pop(cpu);
        }
    }

    private readonly struct Addition : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Add(a, b, ref c);
    }

    private readonly struct Subtraction : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Sub(a, b, ref c);
    }

    private readonly struct ReverseSubtraction : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Sub(b, a, ref c);
    }

    private readonly struct Multiplication : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Mul(a, b, ref c);
    }

    private readonly struct Division : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Div(a, b, ref c);
    }

    private readonly struct ReverseDivision : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Div(b, a, ref c);
    }

    private readonly struct ScaleByPower : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Scale(a, b, ref c);
    }

    private readonly struct Logarithm : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Fyl2x(a, b, ref c);
    }

    private readonly struct LogarithmOfOnePlus : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Fyl2xp1(a, b, ref c);
    }

    private readonly struct ArcTangent : IOperation
    {
        public static Float80 Apply(Float80 a, Float80 b, ref FloatContext c) => Float80Math.Atan2(a, b, ref c);
    }

    private readonly struct SquareRoot : IFunction
    {
        public static Float80 Apply(Float80 a, ref FloatContext c) => Float80Math.Sqrt(a, ref c);
    }

    private readonly struct RoundToInteger : IFunction
    {
        public static Float80 Apply(Float80 a, ref FloatContext c) => Float80Math.RoundToIntegral(a, c.Rounding, false, ref c);
    }

    private readonly struct PowerMinusOne : IFunction
    {
        public static Float80 Apply(Float80 a, ref FloatContext c) => Float80Math.F2xm1(a, ref c);
    }
}
