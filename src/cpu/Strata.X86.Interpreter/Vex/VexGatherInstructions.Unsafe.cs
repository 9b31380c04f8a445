using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Vex;

/// <summary>
/// Gathers: elements from addresses that a vector of indices gives. What has been loaded before a fault stays, and its mask is clear, so
/// that the instruction goes on behind it. Intel SDM Vol. 2C, "VPGATHERDD/VPGATHERQD".
/// </summary>
internal static unsafe class VexGatherInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Vpgatherdd, &Gather);
        table.Add(Mnemonic.Vgatherdps, &Gather);
        table.Add(Mnemonic.Vpgatherdq, &Gather);
        table.Add(Mnemonic.Vgatherdpd, &Gather);
        table.Add(Mnemonic.Vpgatherqd, &Gather);
        table.Add(Mnemonic.Vgatherqps, &Gather);
        table.Add(Mnemonic.Vpgatherqq, &Gather);
        table.Add(Mnemonic.Vgatherqpd, &Gather);
    }

    private static void Gather(X86Cpu cpu, Op* op)
    {
        Mnemonic mnemonic = (Mnemonic)op->Mnemonic;
        bool isDistinct = op->Kind2 == OperandKind.Vector && op->Reg0 != op->Reg1 && op->Reg0 != op->Reg2 && op->Reg1 != op->Reg2;
        if (!isDistinct)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
            return;
        }

        if (!VexInstructions.Begin(cpu))
        {
            return;
        }

        int indexSize = mnemonic is Mnemonic.Vpgatherdd or Mnemonic.Vgatherdps or Mnemonic.Vpgatherdq or Mnemonic.Vgatherdpd ? 4 : 8;
        int size = mnemonic is Mnemonic.Vpgatherdd or Mnemonic.Vgatherdps or Mnemonic.Vpgatherqd or Mnemonic.Vgatherqps ? 4 : 8;
        int length = VexTable.LengthOf((Code)op->Code);
        int count = length / Math.Max(size, indexSize);
        byte* destination = (byte*)cpu.Context + op->Reg0;
        byte* mask = (byte*)cpu.Context + op->Reg2;
        SpreadMask(mask, size, count);
        for (int i = 0; i < count; i++)
        {
            byte* flag = mask + (i * size);
            if ((flag[size - 1] & 0x80) != 0 && !TryLoad(cpu, op, i, indexSize, destination + (i * size), size))
            {
                return;
            }

            new Span<byte>(flag, size).Clear();
        }

        int loaded = count * size;
        new Span<byte>(mask, VexOperands.RegisterSize).Clear();
        new Span<byte>(destination + loaded, VexOperands.RegisterSize - loaded).Clear();
        cpu.UpdateUppersInUse();
    }

    /// <summary>Each element of the mask becomes what its top bit is: that is what a fault leaves of it.</summary>
    private static void SpreadMask(byte* mask, int size, int count)
    {
        for (int i = 0; i < count; i++)
        {
            byte* element = mask + (i * size);
            new Span<byte>(element, size).Fill((byte)((sbyte)element[size - 1] >> 7));
        }
    }

    private static bool TryLoad(X86Cpu cpu, Op* op, int element, int indexSize, byte* to, int size)
    {
        byte* context = (byte*)cpu.Context;
        byte* indices = context + op->Reg1;
        long index = indexSize == 4 ? ((int*)indices)[element] : ((long*)indices)[element];
        ulong ea = *(ulong*)(context + op->Base) + op->Disp + (ulong)(index << op->Scale);
        ea = op->AddressSize == 8 ? ea : (uint)ea;
        return cpu.TrySegmentLinear((SegmentIndex)op->Segment, ea, size, AccessKind.Read, out ulong va)
            && cpu.TryReadBytes(va, to, size, Operands.IsStack(op));
    }
}
