using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// XCHG, XADD, CMPXCHG, CMPXCHG8B and CMPXCHG16B. Memory forms are always atomic: a locked access is a valid unlocked one.
/// </summary>
internal static unsafe class ExchangeInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Xchg, &Xchg);
        table.Add(Mnemonic.Xadd, &Xadd);
        table.Add(Mnemonic.Cmpxchg, &Cmpxchg);
        table.Add(Mnemonic.Cmpxchg8b, &Cmpxchg8b);
        table.Add(Mnemonic.Cmpxchg16b, &Cmpxchg16b);
    }

    private static ulong Replace(ulong value, ulong argument) => argument;

    private static ulong Add(ulong value, ulong argument) => value + argument;

    private static void Xchg(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        int memory = op->Kind0 == OperandKind.Memory ? 0 : op->Kind1 == OperandKind.Memory ? 1 : -1;
        if (memory < 0)
        {
            ulong a = Operands.ReadGpr(cpu, op->Reg0, size);
            ulong b = Operands.ReadGpr(cpu, op->Reg1, size);
            Operands.WriteGpr(cpu, op->Reg0, size, b);
            Operands.WriteGpr(cpu, op->Reg1, size, a);
            return;
        }

        ushort register = memory == 0 ? op->Reg1 : op->Reg0;
        if (Operands.TryLinear(cpu, op, size, AccessKind.Write, out ulong va)
            && Atomic.TryUpdate(cpu, va, size, Operands.IsStack(op), &Replace, Operands.ReadGpr(cpu, register, size), out ulong before))
        {
            Operands.WriteGpr(cpu, register, size, before);
        }
    }

    private static void SetArithmetic(X86Cpu cpu, ulong a, ulong b, ulong r, int size, bool subtract)
    {
        int bits = size * 8;
        cpu.Context->LazyResult = (long)(r << (64 - bits)) >> (64 - bits);
        cpu.Context->LazyAux = subtract ? LazyFlags.Sub(a, b, r, bits) : LazyFlags.Add(a, b, r, bits);
    }

    private static void Xadd(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        ulong b = Operands.ReadGpr(cpu, op->Reg1, size);
        ulong a;
        if (op->Kind0 == OperandKind.Memory)
        {
            if (!Operands.TryLinear(cpu, op, size, AccessKind.Write, out ulong va)
                || !Atomic.TryUpdate(cpu, va, size, Operands.IsStack(op), &Add, b, out a))
            {
                return;
            }

            Operands.WriteGpr(cpu, op->Reg1, size, a);
        }
        else
        {
            a = Operands.ReadGpr(cpu, op->Reg0, size);
            Operands.WriteGpr(cpu, op->Reg1, size, a);
            Operands.WriteGpr(cpu, op->Reg0, size, a + b);
        }

        SetArithmetic(cpu, a, b, a + b, size, subtract: false);
    }

    private static void Cmpxchg(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        ulong expected = Operands.ReadGpr(cpu, Gpr.Rax * 8, size);
        ulong replacement = Operands.ReadGpr(cpu, op->Reg1, size);
        ulong before;
        if (op->Kind0 == OperandKind.Memory)
        {
            if (!Operands.TryLinear(cpu, op, size, AccessKind.Write, out ulong va)
                || !Atomic.TryCompareExchange(cpu, va, size, Operands.IsStack(op), expected, replacement, out before))
            {
                return;
            }
        }
        else
        {
            before = Operands.ReadGpr(cpu, op->Reg0, size);

            // Unlike memory, a register is not written back when the comparison fails: a 32-bit one keeps its upper half.
            if (before == expected)
            {
                Operands.WriteGpr(cpu, op->Reg0, size, replacement);
            }
        }

        SetArithmetic(cpu, expected, before, expected - before, size, subtract: true);
        if (before != expected)
        {
            Operands.WriteGpr(cpu, Gpr.Rax * 8, size, before);
        }
    }

    private static void SetZero(X86Cpu cpu, bool zero) => cpu.Rflags = zero ? cpu.Rflags | RFlags.ZF : cpu.Rflags & ~RFlags.ZF;

    private static void Cmpxchg8b(X86Cpu cpu, Op* op)
    {
        ulong expected = (uint)cpu.Register(Gpr.Rax) | (cpu.Register(Gpr.Rdx) << 32);
        ulong replacement = (uint)cpu.Register(Gpr.Rbx) | (cpu.Register(Gpr.Rcx) << 32);
        if (!Operands.TryLinear(cpu, op, 8, AccessKind.Write, out ulong va)
            || !Atomic.TryCompareExchange(cpu, va, 8, Operands.IsStack(op), expected, replacement, out ulong before))
        {
            return;
        }

        if (before != expected)
        {
            cpu.Register(Gpr.Rax) = (uint)before;
            cpu.Register(Gpr.Rdx) = before >> 32;
        }

        SetZero(cpu, before == expected);
    }

    private static void Cmpxchg16b(X86Cpu cpu, Op* op)
    {
        UInt128 expected = new(cpu.Register(Gpr.Rdx), cpu.Register(Gpr.Rax));
        UInt128 replacement = new(cpu.Register(Gpr.Rcx), cpu.Register(Gpr.Rbx));
        if (!Operands.TryLinear(cpu, op, 16, AccessKind.Write, out ulong va))
        {
            return;
        }

        if ((va & 15) != 0)
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        if (!Atomic.TryCompareExchange16(cpu, va, Operands.IsStack(op), expected, replacement, out UInt128 before))
        {
            return;
        }

        if (before != expected)
        {
            cpu.Register(Gpr.Rax) = (ulong)before;
            cpu.Register(Gpr.Rdx) = (ulong)(before >> 64);
        }

        SetZero(cpu, before == expected);
    }
}
