using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Stack instructions in every mode and width.</summary>
internal static unsafe class StackInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Push, &Push);
        table.Add(Mnemonic.Pop, &Pop);
        table.Add(Mnemonic.Pusha, &PushAll);
        table.Add(Mnemonic.Pushad, &PushAll);
        table.Add(Mnemonic.Popa, &PopAll);
        table.Add(Mnemonic.Popad, &PopAll);
        table.Add(Mnemonic.Enter, &Enter);
        table.Add(Mnemonic.Leave, &Leave);
    }

    private static void Push(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 0, op->OperandSize, out ulong value))
        {
            cpu.TryPush(value, op->OperandSize);
        }
    }

    private static void Pop(X86Cpu cpu, Op* op)
    {
        int size = op->OperandSize;
        ulong rsp = cpu.Register(Gpr.Rsp);
        if (!cpu.TryPop(size, out ulong value))
        {
            return;
        }

        // A memory operand based on rSP uses the incremented value; a register rSP takes the popped one.
        if (!Operands.TryWrite(cpu, op, 0, size, value))
        {
            cpu.Register(Gpr.Rsp) = rsp;
        }
    }

    private static void PushAll(X86Cpu cpu, Op* op)
    {
        int size = op->OperandSize;
        ulong rsp = cpu.Register(Gpr.Rsp);
        for (int i = 0; i < 8; i++)
        {
            if (!cpu.TryPush(i == Gpr.Rsp ? rsp : cpu.Register(i), size))
            {
                cpu.Register(Gpr.Rsp) = rsp;
                return;
            }
        }
    }

    private static void PopAll(X86Cpu cpu, Op* op)
    {
        int size = op->OperandSize;
        ulong rsp = cpu.Register(Gpr.Rsp);
        ulong* values = stackalloc ulong[8];
        for (int i = 7; i >= 0; i--)
        {
            if (!cpu.TryPop(size, out values[i]))
            {
                cpu.Register(Gpr.Rsp) = rsp;
                return;
            }
        }

        for (int i = 0; i < 8; i++)
        {
            if (i != Gpr.Rsp)
            {
                Operands.WriteGpr(cpu, (ushort)(i * 8), size, values[i]);
            }
        }
    }

    private static void Enter(X86Cpu cpu, Op* op)
    {
        int size = op->OperandSize;
        int level = (int)op->Imm2 & 31;
        ulong rsp = cpu.Register(Gpr.Rsp);
        ulong rbp = cpu.Register(Gpr.Rbp);
        if (!cpu.TryPush(rbp, size))
        {
            return;
        }

        ulong frame = cpu.Register(Gpr.Rsp);
        ulong link = rbp;
        for (int i = 1; i < level; i++)
        {
            link -= (ulong)size;
            if (!cpu.TryReadSegment(SegmentIndex.Ss, link & cpu.StackMask, size, out ulong value) || !cpu.TryPush(value, size))
            {
                cpu.Register(Gpr.Rsp) = rsp;
                return;
            }
        }

        if (level > 0 && !cpu.TryPush(frame, size))
        {
            cpu.Register(Gpr.Rsp) = rsp;
            return;
        }

        ulong bottom = cpu.Register(Gpr.Rsp) - (ushort)op->Imm;
        if (!cpu.TrySegmentLinear(SegmentIndex.Ss, bottom & cpu.StackMask, 1, AccessKind.Write, out ulong va)
            || !cpu.ProbeWrite(va, 1, stack: true))
        {
            cpu.Register(Gpr.Rsp) = rsp;
            return;
        }

        cpu.SetStackPointer(bottom);
        Operands.WriteGpr(cpu, Gpr.Rbp * 8, size, frame);
    }

    private static void Leave(X86Cpu cpu, Op* op)
    {
        int size = op->OperandSize;
        ulong frame = cpu.Register(Gpr.Rbp) & cpu.StackMask;
        if (cpu.TryReadSegment(SegmentIndex.Ss, frame, size, out ulong value))
        {
            cpu.SetStackPointer(frame + (ulong)size);
            Operands.WriteGpr(cpu, Gpr.Rbp * 8, size, value);
        }
    }
}
