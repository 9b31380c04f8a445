using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// MUL, IMUL, DIV and IDIV. SF, ZF, AF and PF after a multiplication follow the low half, as current silicon has it for SF.
/// </summary>
internal static unsafe class MultiplyInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Mul, &Mul);
        table.Add(Mnemonic.Imul, &Imul);
        table.Add(Mnemonic.Div, &Div);
        table.Add(Mnemonic.Idiv, &Idiv);
    }

    private static long SignExtend(ulong value, int size) => (long)(value << (64 - (size * 8))) >> (64 - (size * 8));

    private static void SetFlags(X86Cpu cpu, ulong low, int size, bool overflow)
    {
        cpu.Context->LazyResult = SignExtend(low, size);
        cpu.Context->LazyAux = LazyFlags.FromCarryOverflow(overflow, overflow);
    }

    private static void WriteProduct(X86Cpu cpu, int size, UInt128 product)
    {
        if (size == 1)
        {
            Operands.WriteGpr(cpu, Gpr.Rax * 8, 2, (ulong)product);
            return;
        }

        Operands.WriteGpr(cpu, Gpr.Rax * 8, size, (ulong)product);
        Operands.WriteGpr(cpu, Gpr.Rdx * 8, size, (ulong)(product >> (size * 8)));
    }

    private static void Mul(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryRead(cpu, op, 0, size, out ulong b))
        {
            return;
        }

        ulong a = Operands.ReadGpr(cpu, Gpr.Rax * 8, size);
        UInt128 product = (UInt128)a * b;
        WriteProduct(cpu, size, product);
        SetFlags(cpu, (ulong)product, size, product >> (size * 8) != 0);
    }

    private static void Imul(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (op->Kind1 == OperandKind.None)
        {
            ImulWide(cpu, op);
            return;
        }

        // Two operands: destination times source; three: source times immediate.
        int factor = op->Kind2 == OperandKind.Immediate ? 2 : 0;
        if (!Operands.TryRead(cpu, op, 1, size, out ulong source) || !Operands.TryRead(cpu, op, factor, size, out ulong other))
        {
            return;
        }

        Int128 product = (Int128)SignExtend(source, size) * SignExtend(other, size);
        ulong low = (ulong)product;
        Operands.WriteGpr(cpu, op->Reg0, size, low);
        SetFlags(cpu, low, size, product != SignExtend(low, size));
    }

    private static void ImulWide(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryRead(cpu, op, 0, size, out ulong b))
        {
            return;
        }

        Int128 product = (Int128)SignExtend(Operands.ReadGpr(cpu, Gpr.Rax * 8, size), size) * SignExtend(b, size);
        WriteProduct(cpu, size, (UInt128)product);
        SetFlags(cpu, (ulong)product, size, product != SignExtend((ulong)product, size));
    }

    private static UInt128 Dividend(X86Cpu cpu, int size) => size == 1
        ? Operands.ReadGpr(cpu, Gpr.Rax * 8, 2)
        : ((UInt128)Operands.ReadGpr(cpu, Gpr.Rdx * 8, size) << (size * 8)) | Operands.ReadGpr(cpu, Gpr.Rax * 8, size);

    private static void WriteQuotient(X86Cpu cpu, int size, ulong quotient, ulong remainder)
    {
        Operands.WriteGpr(cpu, Gpr.Rax * 8, size, quotient);
        Operands.WriteGpr(cpu, size == 1 ? (ushort)1 : (ushort)(Gpr.Rdx * 8), size, remainder);
    }

    private static void Div(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryRead(cpu, op, 0, size, out ulong divisor))
        {
            return;
        }

        UInt128 dividend = Dividend(cpu, size);
        if (divisor == 0 || dividend >> (size * 8) >= divisor)
        {
            cpu.Raise(ExceptionVector.DivideError);
            return;
        }

        if (dividend <= ulong.MaxValue)
        {
            (ulong q, ulong r) = Math.DivRem((ulong)dividend, divisor);
            WriteQuotient(cpu, size, q, r);
            return;
        }

        (UInt128 quotient, UInt128 remainder) = UInt128.DivRem(dividend, divisor);
        WriteQuotient(cpu, size, (ulong)quotient, (ulong)remainder);
    }

    private static void Idiv(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryRead(cpu, op, 0, size, out ulong raw))
        {
            return;
        }

        int bits = size * 16;
        Int128 dividend = (Int128)(Dividend(cpu, size) << (128 - bits)) >> (128 - bits);
        long divisor = SignExtend(raw, size);
        if (divisor == 0)
        {
            cpu.Raise(ExceptionVector.DivideError);
            return;
        }

        // Int128.MinValue / -1 overflows in .NET as well: it is out of range here anyway.
        if (dividend == Int128.MinValue)
        {
            cpu.Raise(ExceptionVector.DivideError);
            return;
        }

        (Int128 quotient, Int128 remainder) = Int128.DivRem(dividend, divisor);
        if (quotient != SignExtend((ulong)quotient, size))
        {
            cpu.Raise(ExceptionVector.DivideError);
            return;
        }

        WriteQuotient(cpu, size, (ulong)quotient, (ulong)remainder);
    }
}
