using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Integer SIMD shifts: of each element by one count, and of a whole register by bytes.</summary>
internal static unsafe class SseShiftInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Pslldq, &ShiftBytesLeft);
        table.Add(Mnemonic.Psrldq, &ShiftBytesRight);
        foreach ((Mnemonic m, int _) in Shifts)
        {
            table.Add(m, &Shift);
        }
    }

    /// <summary>Element size of each shift mnemonic.</summary>
    private static readonly (Mnemonic Mnemonic, int Size)[] Shifts =
    [
        (Mnemonic.Psllw, 2), (Mnemonic.Pslld, 4), (Mnemonic.Psllq, 8),
        (Mnemonic.Psrlw, 2), (Mnemonic.Psrld, 4), (Mnemonic.Psrlq, 8),
        (Mnemonic.Psraw, 2), (Mnemonic.Psrad, 4),
    ];

    private static void Shift(X86Cpu cpu, Op* op)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        ulong count;
        if (op->Kind1 == OperandKind.Immediate)
        {
            count = (byte)op->Imm;
        }
        else if (Simd.TryRead(cpu, op, 1, out Vector128<byte> source))
        {
            count = source.AsUInt64().ToScalar();
        }
        else
        {
            return;
        }

        int n = (int)Math.Min(count, 64);
        Vector128<byte> a = Simd.Destination(cpu, op);
        Vector128<byte> r = (Mnemonic)op->Mnemonic switch
        {
            Mnemonic.Psllw => n > 15 ? default : (a.AsUInt16() << n).AsByte(),
            Mnemonic.Pslld => n > 31 ? default : (a.AsUInt32() << n).AsByte(),
            Mnemonic.Psllq => n > 63 ? default : (a.AsUInt64() << n).AsByte(),
            Mnemonic.Psrlw => n > 15 ? default : (a.AsUInt16() >>> n).AsByte(),
            Mnemonic.Psrld => n > 31 ? default : (a.AsUInt32() >>> n).AsByte(),
            Mnemonic.Psrlq => n > 63 ? default : (a.AsUInt64() >>> n).AsByte(),
            Mnemonic.Psraw => (a.AsInt16() >> Math.Min(n, 15)).AsByte(),
            _ => (a.AsInt32() >> Math.Min(n, 31)).AsByte(),
        };
        Simd.WriteDestination(cpu, op, r);
    }

    private static void ShiftBytesLeft(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            UInt128 value = new(Operands.Xmm(cpu, op->Reg0).AsUInt64()[1], Operands.Xmm(cpu, op->Reg0).AsUInt64()[0]);
            WriteWide(cpu, op, (byte)op->Imm > 15 ? 0 : value << ((byte)op->Imm * 8));
        }
    }

    private static void ShiftBytesRight(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            UInt128 value = new(Operands.Xmm(cpu, op->Reg0).AsUInt64()[1], Operands.Xmm(cpu, op->Reg0).AsUInt64()[0]);
            WriteWide(cpu, op, (byte)op->Imm > 15 ? 0 : value >> ((byte)op->Imm * 8));
        }
    }

    private static void WriteWide(X86Cpu cpu, Op* op, UInt128 value) =>
        Operands.Xmm(cpu, op->Reg0) = Vector128.Create((ulong)value, (ulong)(value >> 64)).AsByte();
}
