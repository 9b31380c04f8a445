using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Instructions;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Vex;

/// <summary>Masked moves: only the elements whose mask has its top bit set are accessed, and only they can fault.</summary>
internal static unsafe class VexMaskedInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Vmaskmovps, &Move4);
        table.Add(Mnemonic.Vpmaskmovd, &Move4);
        table.Add(Mnemonic.Vmaskmovpd, &Move8);
        table.Add(Mnemonic.Vpmaskmovq, &Move8);
        table.Add(Mnemonic.Vmaskmovdqu, &MoveBytes);
    }

    private static void Move4(X86Cpu cpu, Op* op) => Move(cpu, op, 4);

    private static void Move8(X86Cpu cpu, Op* op) => Move(cpu, op, 8);

    private static void MoveBytes(X86Cpu cpu, Op* op)
    {
        if (VexInstructions.Begin(cpu))
        {
            SseMoveInstructions.StoreMasked(cpu, op);
        }
    }

    private static void Move(X86Cpu cpu, Op* op, int size)
    {
        if (!VexInstructions.Begin(cpu))
        {
            return;
        }

        byte* mask = (byte*)cpu.Context + op->Reg1;
        if (op->Kind0 == OperandKind.Memory)
        {
            Store(cpu, op, mask, size);
        }
        else
        {
            Load(cpu, op, mask, size);
        }
    }

    private static void Load(X86Cpu cpu, Op* op, byte* mask, int size)
    {
        byte* value = stackalloc byte[VexOperands.RegisterSize];
        new Span<byte>(value, VexOperands.RegisterSize).Clear();
        for (int i = 0; i < op->MemorySize; i += size)
        {
            if (IsChosen(mask + i, size))
            {
                if (!TryAddress(cpu, op, i, size, AccessKind.Read, out ulong va)
                    || !cpu.TryReadBytes(va, value + i, size, Operands.IsStack(op)))
                {
                    return;
                }
            }
        }

        VexInstructions.WriteRegister(cpu, op->Reg0, value, op->Width);
    }

    /// <summary>Nothing is written before all of it can be.</summary>
    private static void Store(X86Cpu cpu, Op* op, byte* mask, int size)
    {
        bool isStack = Operands.IsStack(op);
        for (int i = 0; i < op->MemorySize; i += size)
        {
            if (IsChosen(mask + i, size)
                && (!TryAddress(cpu, op, i, size, AccessKind.Write, out ulong va) || !cpu.ProbeWrite(va, size, isStack)))
            {
                return;
            }
        }

        byte* source = (byte*)cpu.Context + op->Reg2;
        for (int i = 0; i < op->MemorySize; i += size)
        {
            if (IsChosen(mask + i, size) && TryAddress(cpu, op, i, size, AccessKind.Write, out ulong va))
            {
                cpu.TryWriteBytes(va, source + i, size, isStack);
            }
        }
    }

    private static bool IsChosen(byte* element, int size) => (element[size - 1] & 0x80) != 0;

    private static bool TryAddress(X86Cpu cpu, Op* op, int offset, int size, AccessKind kind, out ulong va) =>
        cpu.TrySegmentLinear((SegmentIndex)op->Segment, Operands.EffectiveAddress(cpu, op) + (ulong)offset, size, kind, out va);
}
