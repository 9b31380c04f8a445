using System.Buffers.Binary;
using System.Numerics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>BT and its variants, bit scans, BSWAP.</summary>
internal static unsafe class BitInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Bt, &Bt);
        table.Add(Mnemonic.Bts, &Bts);
        table.Add(Mnemonic.Btr, &Btr);
        table.Add(Mnemonic.Btc, &Btc);
        table.Add(Mnemonic.Bsf, &Bsf);
        table.Add(Mnemonic.Bsr, &Bsr);
        table.Add(Mnemonic.Bswap, &Bswap);
    }

    private static ulong Same(ulong value, ulong bit) => value;

    private static ulong Set(ulong value, ulong bit) => value | bit;

    private static ulong Clear(ulong value, ulong bit) => value & ~bit;

    private static ulong Flip(ulong value, ulong bit) => value ^ bit;

    private static void Bt(X86Cpu cpu, Op* op) => Test(cpu, op, &Same, writes: false);

    private static void Bts(X86Cpu cpu, Op* op) => Test(cpu, op, &Set, writes: true);

    private static void Btr(X86Cpu cpu, Op* op) => Test(cpu, op, &Clear, writes: true);

    private static void Btc(X86Cpu cpu, Op* op) => Test(cpu, op, &Flip, writes: true);

    private static void SetCarry(X86Cpu cpu, bool carry)
    {
        // Only CF changes; LazyFlags.WithCarry keeps OF and the rest.
        cpu.Context->LazyAux = LazyFlags.WithCarry(cpu.Context->LazyAux, carry);
    }

    private static void Test(X86Cpu cpu, Op* op, delegate*<ulong, ulong, ulong> change, bool writes)
    {
        int size = op->Width;
        int bits = size * 8;
        bool immediate = op->Kind1 == OperandKind.Immediate;
        ulong index = immediate ? op->Imm : Operands.ReadGpr(cpu, op->Reg1, size);
        if (op->Kind0 == OperandKind.Gpr)
        {
            ulong value = Operands.ReadGpr(cpu, op->Reg0, size);
            ulong bit = 1UL << (int)(index & (ulong)(bits - 1));
            if (writes)
            {
                Operands.WriteGpr(cpu, op->Reg0, size, change(value, bit));
            }

            SetCarry(cpu, (value & bit) != 0);
            return;
        }

        // A register index addresses a bit string around the operand.
        ulong offset = Operands.EffectiveAddress(cpu, op);
        if (!immediate)
        {
            long signed = (long)(index << (64 - bits)) >> (64 - bits);
            offset += (ulong)((signed >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size);
            offset = op->AddressSize switch { 8 => offset, 4 => (uint)offset, _ => (ushort)offset };
        }

        TestMemory(cpu, op, offset, 1UL << (int)(index & (ulong)(bits - 1)), change, writes);
    }

    private static void TestMemory(X86Cpu cpu, Op* op, ulong offset, ulong bit, delegate*<ulong, ulong, ulong> change, bool writes)
    {
        int size = op->Width;
        bool stack = op->Segment == (byte)SegmentIndex.Ss;
        if (!cpu.TrySegmentLinear((SegmentIndex)op->Segment, offset, size, writes ? AccessKind.Write : AccessKind.Read, out ulong va))
        {
            return;
        }

        ulong value;
        if ((op->Flags & OpFlags.Lock) != 0)
        {
            if (Atomic.TryUpdate(cpu, va, size, Operands.IsStack(op), change, bit, out value))
            {
                SetCarry(cpu, (value & bit) != 0);
            }

            return;
        }

        if ((writes && !cpu.ProbeWrite(va, size, stack)) || !cpu.TryRead(va, size, out value, stack))
        {
            return;
        }

        if (!writes || cpu.TryWrite(va, size, change(value, bit), stack))
        {
            SetCarry(cpu, (value & bit) != 0);
        }
    }

    private static void Bsf(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            SetScan(cpu, op, value, BitOperations.TrailingZeroCount(value));
        }
    }

    private static void Bsr(X86Cpu cpu, Op* op)
    {
        if (Operands.TryRead(cpu, op, 1, op->Width, out ulong value))
        {
            SetScan(cpu, op, value, 63 - BitOperations.LeadingZeroCount(value));
        }
    }

    /// <summary>A zero source leaves the destination alone and sets ZF.</summary>
    private static void SetScan(X86Cpu cpu, Op* op, ulong value, int index)
    {
        if (value != 0)
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (ulong)index);
        }

        cpu.Rflags = value == 0 ? cpu.Rflags | RFlags.ZF : cpu.Rflags & ~RFlags.ZF;
    }

    /// <summary>BSWAP of a 16-bit register is undefined; silicon clears it.</summary>
    private static void Bswap(X86Cpu cpu, Op* op)
    {
        ulong value = Operands.ReadGpr(cpu, op->Reg0, op->Width);
        ulong swapped = op->Width switch
        {
            8 => BinaryPrimitives.ReverseEndianness(value),
            4 => BinaryPrimitives.ReverseEndianness((uint)value),
            _ => 0,
        };
        Operands.WriteGpr(cpu, op->Reg0, op->Width, swapped);
    }
}
