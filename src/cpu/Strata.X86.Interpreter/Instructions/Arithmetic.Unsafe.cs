using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>LOCK-prefixed arithmetic; the plain forms have threaded handlers.</summary>
internal static unsafe class ArithmeticInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Add, &Add);
        table.Add(Mnemonic.Or, &Or);
        table.Add(Mnemonic.Adc, &Adc);
        table.Add(Mnemonic.Sbb, &Sbb);
        table.Add(Mnemonic.And, &And);
        table.Add(Mnemonic.Sub, &Sub);
        table.Add(Mnemonic.Xor, &Xor);
        table.Add(Mnemonic.Inc, &Inc);
        table.Add(Mnemonic.Dec, &Dec);
        table.Add(Mnemonic.Neg, &Neg);
        table.Add(Mnemonic.Not, &Not);
    }

    private static ulong AddValue(ulong a, ulong b) => a + b;

    private static ulong SubValue(ulong a, ulong b) => a - b;

    private static ulong OrValue(ulong a, ulong b) => a | b;

    private static ulong AndValue(ulong a, ulong b) => a & b;

    private static ulong XorValue(ulong a, ulong b) => a ^ b;

    private static ulong NegValue(ulong a, ulong b) => 0 - a;

    private static ulong Source(X86Cpu cpu, Op* op) =>
        op->Kind1 == OperandKind.Immediate ? op->Imm : Operands.ReadGpr(cpu, op->Reg1, op->Width);

    private static bool TryUpdate(X86Cpu cpu, Op* op, delegate*<ulong, ulong, ulong> change, ulong argument, out ulong before)
    {
        before = 0;
        return Operands.TryLinear(cpu, op, op->Width, AccessKind.Write, out ulong va)
            && Atomic.TryUpdate(cpu, va, op->Width, Operands.IsStack(op), change, argument, out before);
    }

    private static void SetFlags(X86Cpu cpu, Op* op, ulong result, long aux)
    {
        int bits = op->Width * 8;
        cpu.Context->LazyResult = (long)(result << (64 - bits)) >> (64 - bits);
        cpu.Context->LazyAux = aux;
    }

    private static ulong Carry(X86Cpu cpu) => LazyFlags.Carry(cpu.Context->LazyAux) ? 1UL : 0;

    private static void Add(X86Cpu cpu, Op* op) => AddWith(cpu, op, 0);

    private static void Adc(X86Cpu cpu, Op* op) => AddWith(cpu, op, Carry(cpu));

    private static void AddWith(X86Cpu cpu, Op* op, ulong carry)
    {
        ulong b = Source(cpu, op);
        if (TryUpdate(cpu, op, &AddValue, b + carry, out ulong a))
        {
            ulong r = a + b + carry;
            SetFlags(cpu, op, r, LazyFlags.Add(a, b, r, op->Width * 8));
        }
    }

    private static void Sub(X86Cpu cpu, Op* op) => SubWith(cpu, op, 0);

    private static void Sbb(X86Cpu cpu, Op* op) => SubWith(cpu, op, Carry(cpu));

    private static void SubWith(X86Cpu cpu, Op* op, ulong borrow)
    {
        ulong b = Source(cpu, op);
        if (TryUpdate(cpu, op, &SubValue, b + borrow, out ulong a))
        {
            ulong r = a - b - borrow;
            SetFlags(cpu, op, r, LazyFlags.Sub(a, b, r, op->Width * 8));
        }
    }

    private static void Or(X86Cpu cpu, Op* op) => Logic(cpu, op, &OrValue);

    private static void And(X86Cpu cpu, Op* op) => Logic(cpu, op, &AndValue);

    private static void Xor(X86Cpu cpu, Op* op) => Logic(cpu, op, &XorValue);

    private static void Logic(X86Cpu cpu, Op* op, delegate*<ulong, ulong, ulong> change)
    {
        ulong b = Source(cpu, op);
        if (TryUpdate(cpu, op, change, b, out ulong a))
        {
            SetFlags(cpu, op, change(a, b), 0);
        }
    }

    private static void Inc(X86Cpu cpu, Op* op)
    {
        bool carry = Carry(cpu) != 0;
        if (TryUpdate(cpu, op, &AddValue, 1, out ulong a))
        {
            SetFlags(cpu, op, a + 1, LazyFlags.WithCarry(LazyFlags.Add(a, 1, a + 1, op->Width * 8), carry));
        }
    }

    private static void Dec(X86Cpu cpu, Op* op)
    {
        bool carry = Carry(cpu) != 0;
        if (TryUpdate(cpu, op, &SubValue, 1, out ulong a))
        {
            SetFlags(cpu, op, a - 1, LazyFlags.WithCarry(LazyFlags.Sub(a, 1, a - 1, op->Width * 8), carry));
        }
    }

    private static void Neg(X86Cpu cpu, Op* op)
    {
        if (TryUpdate(cpu, op, &NegValue, 0, out ulong a))
        {
            SetFlags(cpu, op, 0 - a, LazyFlags.Sub(0, a, 0 - a, op->Width * 8));
        }
    }

    private static void Not(X86Cpu cpu, Op* op) => TryUpdate(cpu, op, &XorValue, ulong.MaxValue, out _);
}
