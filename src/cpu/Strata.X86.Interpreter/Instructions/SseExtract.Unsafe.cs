using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Between vectors and general-purpose registers: single elements, and masks of their signs.</summary>
internal static unsafe class SseExtractInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pmovmskb, &MoveMask1);
        table.Add(Mnemonic.Movmskps, &MoveMask4);
        table.Add(Mnemonic.Movmskpd, &MoveMask8);
        table.Add(Mnemonic.Pextrb, &Extract);
        table.Add(Mnemonic.Pextrw, &Extract);
        table.Add(Mnemonic.Pextrd, &Extract);
        table.Add(Mnemonic.Pextrq, &Extract);
        table.Add(Mnemonic.Extractps, &Extract);
        table.Add(Mnemonic.Pinsrb, &Insert);
        table.Add(Mnemonic.Pinsrw, &Insert);
        table.Add(Mnemonic.Pinsrd, &Insert);
        table.Add(Mnemonic.Pinsrq, &Insert);
    }

    private static void MoveMask1(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op) && Simd.TryRead(cpu, op, 1, out Vector128<byte> value))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, value.ExtractMostSignificantBits());
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void MoveMask4(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, Operands.Xmm(cpu, op->Reg1).AsUInt32().ExtractMostSignificantBits());
        }
    }

    private static void MoveMask8(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, Operands.Xmm(cpu, op->Reg1).AsUInt64().ExtractMostSignificantBits());
        }
    }

    private static int ElementSize(Op* op) => (Mnemonic)op->Mnemonic switch
    {
        Mnemonic.Pextrb or Mnemonic.Pinsrb => 1,
        Mnemonic.Pextrw or Mnemonic.Pinsrw => 2,
        Mnemonic.Pextrq or Mnemonic.Pinsrq => 8,
        _ => 4,
    };

    private static void Extract(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        int size = ElementSize(op);
        int lanes = (op->Kind1 == OperandKind.Mmx ? 8 : 16) / size;
        ulong value = Operands.ReadGpr(cpu, (ushort)(op->Reg1 + ((int)(op->Imm & (ulong)(lanes - 1)) * size)), size);
        if (op->Kind0 == OperandKind.Memory)
        {
            Operands.TryStoreMemory(cpu, op, size, value);
        }
        else
        {
            Operands.WriteGpr(cpu, op->Reg0, 8, value);
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void Insert(X86Cpu cpu, Op* op)
    {
        int size = ElementSize(op);
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        Vector128<byte> r = Simd.Destination(cpu, op);
        int lanes = (op->Kind0 == OperandKind.Mmx ? 8 : 16) / size;
        byte* at = (byte*)&r + ((int)(op->Imm & (ulong)(lanes - 1)) * size);
        Buffer.MemoryCopy(&value, at, size, size);
        Simd.WriteDestination(cpu, op, r);
    }
}
