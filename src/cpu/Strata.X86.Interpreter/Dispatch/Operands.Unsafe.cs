using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Dispatch;

/// <summary>
/// How semantic routines reach their operands: any addressing form, any mode, with all checks. A false result means that
/// a fault was recorded and the routine returns at once.
/// </summary>
public static unsafe class Operands
{
    /// <summary>Offset part of the memory operand, wrapped to its address size; no segment base.</summary>
    public static ulong EffectiveAddress(X86Cpu cpu, Op* op)
    {
        byte* context = (byte*)cpu.Context;
        ulong ea = *(ulong*)(context + op->Base) + (*(ulong*)(context + op->Index) << op->Scale) + op->Disp;
        return op->AddressSize switch { 8 => ea, 4 => (uint)ea, _ => (ushort)ea };
    }

    /// <summary>The memory operand is in SS, so that what is wrong with its address is a stack fault.</summary>
    public static bool IsStack(Op* op) => op->Segment == (byte)SegmentIndex.Ss;

    /// <summary>Linear address of the memory operand, segment checks done.</summary>
    public static bool TryLinear(X86Cpu cpu, Op* op, int size, AccessKind kind, out ulong va) =>
        cpu.TrySegmentLinear((SegmentIndex)op->Segment, EffectiveAddress(cpu, op), size, kind, out va);

    /// <summary>Reads <paramref name="size"/> (1, 2, 4, 8) bytes of the memory operand.</summary>
    public static bool TryLoadMemory(X86Cpu cpu, Op* op, int size, out ulong value)
    {
        value = 0;
        return TryLinear(cpu, op, size, AccessKind.Read, out ulong va)
            && cpu.TryRead(va, size, out value, op->Segment == (byte)SegmentIndex.Ss);
    }

    /// <summary>Writes <paramref name="size"/> (1, 2, 4, 8) bytes to the memory operand.</summary>
    public static bool TryStoreMemory(X86Cpu cpu, Op* op, int size, ulong value) =>
        TryLinear(cpu, op, size, AccessKind.Write, out ulong va) && cpu.TryWrite(va, size, value, op->Segment == (byte)SegmentIndex.Ss);

    /// <summary>Reads a general-purpose register at a context offset, zero-extended from <paramref name="size"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ReadGpr(X86Cpu cpu, ushort offset, int size) => X86Cpu.LoadHost((byte*)cpu.Context + offset, size);

    /// <summary>Writes a general-purpose register; a 32-bit write clears the upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteGpr(X86Cpu cpu, ushort offset, int size, ulong value) =>
        X86Cpu.StoreRegister((byte*)cpu.Context + offset, size, value);

    /// <summary>Reads operand 0..3 (register, memory or immediate) of <paramref name="size"/> (1, 2, 4, 8) bytes.</summary>
    public static bool TryRead(X86Cpu cpu, Op* op, int operand, int size, out ulong value)
    {
        switch (Kind(op, operand))
        {
            case OperandKind.Gpr:
            case OperandKind.Mmx:
            case OperandKind.Vector:
                value = ReadGpr(cpu, Reg(op, operand), size);
                return true;
            case OperandKind.Memory:
                return TryLoadMemory(cpu, op, size, out value);
            case OperandKind.Segment:
                value = cpu.State.Segment((SegmentIndex)Reg(op, operand)).Selector;
                return true;
            default:
                value = size == 8 ? op->Imm : op->Imm & ((1UL << (size * 8)) - 1);
                return true;
        }
    }

    /// <summary>Writes operand 0..3 (general-purpose register or memory) of <paramref name="size"/> bytes.</summary>
    public static bool TryWrite(X86Cpu cpu, Op* op, int operand, int size, ulong value)
    {
        if (Kind(op, operand) == OperandKind.Memory)
        {
            return TryStoreMemory(cpu, op, size, value);
        }

        WriteGpr(cpu, Reg(op, operand), size, value);
        return true;
    }

    /// <summary>
    /// The 128-bit register at a context offset (see <see cref="Op.Reg0"/>); also 8-byte MMX registers by their low half.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref Vector128<byte> Xmm(X86Cpu cpu, ushort offset) => ref *(Vector128<byte>*)((byte*)cpu.Context + offset);

    /// <summary>Reads a 128-bit register or memory operand. <paramref name="aligned"/>: memory not on 16 bytes is #GP(0).</summary>
    public static bool TryReadVector(X86Cpu cpu, Op* op, int operand, bool aligned, out Vector128<byte> value)
    {
        if (Kind(op, operand) != OperandKind.Memory)
        {
            value = Xmm(cpu, Reg(op, operand));
            return true;
        }

        value = default;
        if (!TryLinear(cpu, op, 16, AccessKind.Read, out ulong va))
        {
            return false;
        }

        if (aligned && (va & 15) != 0)
        {
            return cpu.RaiseGeneralProtection();
        }

        Vector128<byte> loaded;
        if (!cpu.TryReadBytes(va, (byte*)&loaded, 16, op->Segment == (byte)SegmentIndex.Ss))
        {
            return false;
        }

        value = loaded;
        return true;
    }

    /// <summary>Writes a 128-bit memory operand.</summary>
    public static bool TryStoreVector(X86Cpu cpu, Op* op, bool aligned, Vector128<byte> value)
    {
        if (!TryLinear(cpu, op, 16, AccessKind.Write, out ulong va))
        {
            return false;
        }

        return aligned && (va & 15) != 0
            ? cpu.RaiseGeneralProtection()
            : cpu.TryWriteBytes(va, (byte*)&value, 16, op->Segment == (byte)SegmentIndex.Ss);
    }

    public static OperandKind Kind(Op* op, int operand) =>
        operand switch { 0 => op->Kind0, 1 => op->Kind1, 2 => op->Kind2, _ => op->Kind3 };

    public static ushort Reg(Op* op, int operand) => operand switch { 0 => op->Reg0, 1 => op->Reg1, 2 => op->Reg2, _ => op->Reg3 };
}
