using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Near branches that the threaded handlers leave: 16- and 32-bit forms, LOOP and JCXZ.</summary>
internal static unsafe class BranchInstructions
{
    public static void Register(InstructionTable table)
    {
        table.AddEnding(Mnemonic.Jmp, &Jump);
        table.AddEnding(Mnemonic.Call, &Call);
        table.AddEnding(Mnemonic.Ret, &Return);
        table.AddEnding(Mnemonic.Jcxz, &JumpIfCounterZero);
        table.AddEnding(Mnemonic.Jecxz, &JumpIfCounterZero);
        table.AddEnding(Mnemonic.Jrcxz, &JumpIfCounterZero);
        table.AddEnding(Mnemonic.Loop, &Loop);
        table.AddEnding(Mnemonic.Loope, &LoopWhileEqual);
        table.AddEnding(Mnemonic.Loopne, &LoopWhileNotEqual);
    }

    /// <summary>Truncates a target to the operand size and checks it: canonical form, or the code segment's limit.</summary>
    private static bool TryGoTo(X86Cpu cpu, ulong target, int size)
    {
        target = size switch { 2 => (ushort)target, 4 => (uint)target, _ => target };
        if (cpu.Is64Bit ? !cpu.IsCanonical(target) : target > cpu.State.Cs.Limit)
        {
            return cpu.RaiseGeneralProtection();
        }

        cpu.State.Rip = target;
        return true;
    }

    private static bool TryGetTarget(X86Cpu cpu, Op* op, out ulong target)
    {
        if (op->Kind0 == OperandKind.Branch)
        {
            target = op->Imm;
            return true;
        }

        return Operands.TryRead(cpu, op, 0, op->OperandSize, out target);
    }

    private static void Jump(X86Cpu cpu, Op* op)
    {
        if (TryGetTarget(cpu, op, out ulong target))
        {
            TryGoTo(cpu, target, op->OperandSize);
        }
    }

    private static void Call(X86Cpu cpu, Op* op)
    {
        ulong rsp = cpu.Register(Gpr.Rsp);
        ulong back = cpu.State.Rip;
        if (TryGetTarget(cpu, op, out ulong target) && cpu.TryPush(back, op->OperandSize) && !TryGoTo(cpu, target, op->OperandSize))
        {
            cpu.Register(Gpr.Rsp) = rsp;
        }
    }

    private static void Return(X86Cpu cpu, Op* op)
    {
        ulong rsp = cpu.Register(Gpr.Rsp);
        if (!cpu.TryPop(op->OperandSize, out ulong target))
        {
            return;
        }

        if (!TryGoTo(cpu, target, op->OperandSize))
        {
            cpu.Register(Gpr.Rsp) = rsp;
            return;
        }

        if (op->Kind0 == OperandKind.Immediate)
        {
            cpu.SetStackPointer(cpu.Register(Gpr.Rsp) + (ushort)op->Imm);
        }
    }

    private static ulong CounterMask(Op* op) => op->AddressSize switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };

    private static void JumpIfCounterZero(X86Cpu cpu, Op* op)
    {
        ulong mask = (
            Mnemonic)op->Mnemonic switch { Mnemonic.Jrcxz => ulong.MaxValue, Mnemonic.Jecxz => uint.MaxValue, _ => ushort.MaxValue };
        if ((cpu.Register(Gpr.Rcx) & mask) == 0)
        {
            TryGoTo(cpu, op->Imm, cpu.Is64Bit ? 8 : op->OperandSize);
        }
    }

    private static void Loop(X86Cpu cpu, Op* op) => LoopIf(cpu, op, condition: true);

    private static void LoopWhileEqual(X86Cpu cpu, Op* op) => LoopIf(cpu, op, cpu.Context->LazyResult == 0);

    private static void LoopWhileNotEqual(X86Cpu cpu, Op* op) => LoopIf(cpu, op, cpu.Context->LazyResult != 0);

    private static void LoopIf(X86Cpu cpu, Op* op, bool condition)
    {
        ulong mask = CounterMask(op);
        ref ulong rcx = ref cpu.Register(Gpr.Rcx);
        ulong count = (rcx - 1) & mask;
        if (count != 0 && condition && !TryGoTo(cpu, op->Imm, cpu.Is64Bit ? 8 : op->OperandSize))
        {
            return;
        }

        rcx = mask == ushort.MaxValue ? (rcx & ~mask) | count : count;
    }
}
