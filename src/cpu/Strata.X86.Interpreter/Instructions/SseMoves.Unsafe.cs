using System.Runtime.Intrinsics;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Moves between vector registers, MMX, memory and general-purpose registers; fences and MXCSR.</summary>
internal static unsafe class SseMoveInstructions
{
    public static void Register(InstructionTable table)
    {
        foreach (
            Mnemonic m in (ReadOnlySpan<Mnemonic>)[
                Mnemonic.Movaps, Mnemonic.Movapd, Mnemonic.Movdqa, Mnemonic.Movntps, Mnemonic.Movntpd, Mnemonic.Movntdq, Mnemonic.Movntdqa])
        {
            table.Add(m, &MoveAligned);
        }

        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[Mnemonic.Movups, Mnemonic.Movupd, Mnemonic.Movdqu, Mnemonic.Lddqu])
        {
            table.Add(m, &MoveUnaligned);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movss_xmm_xmmm32, Code.Movss_xmmm32_xmm])
        {
            table.Add(code, &MoveScalar32);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movsd_xmm_xmmm64, Code.Movsd_xmmm64_xmm])
        {
            table.Add(code, &MoveScalar64);
        }

        table.Add(Mnemonic.Movd, &MoveDword);
        table.Add(Mnemonic.Movq, &MoveQword);
        table.Add(Mnemonic.Movlps, &MoveLow);
        table.Add(Mnemonic.Movlpd, &MoveLow);
        table.Add(Mnemonic.Movhps, &MoveHigh);
        table.Add(Mnemonic.Movhpd, &MoveHigh);
        table.Add(Mnemonic.Movhlps, &MoveHighToLow);
        table.Add(Mnemonic.Movlhps, &MoveLowToHigh);
        table.Add(Mnemonic.Movq2dq, &MoveMmxToXmm);
        table.Add(Mnemonic.Movdq2q, &MoveXmmToMmx);
        table.Add(Mnemonic.Movntq, &MoveQword);
        table.Add(Mnemonic.Movnti, &MoveNonTemporal);
        table.Add(Mnemonic.Maskmovdqu, &MaskMove);
        table.Add(Mnemonic.Maskmovq, &MaskMove);
        table.Add(Mnemonic.Ldmxcsr, &LoadMxcsr);
        table.Add(Mnemonic.Stmxcsr, &StoreMxcsr);
        table.Add(Mnemonic.Emms, &Emms);
        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[Mnemonic.Mfence, Mnemonic.Lfence, Mnemonic.Sfence])
        {
            table.Add(m, &Fence);
        }

        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[
            Mnemonic.Prefetchnta, Mnemonic.Prefetcht0, Mnemonic.Prefetcht1, Mnemonic.Prefetcht2, Mnemonic.Prefetchw, Mnemonic.Prefetch])
        {
            table.Add(m, &Prefetch);
        }

        foreach (Mnemonic m in (ReadOnlySpan<Mnemonic>)[Mnemonic.Clflush, Mnemonic.Clflushopt, Mnemonic.Clwb])
        {
            table.Add(m, &Flush);
        }
    }

    private static void Prefetch(X86Cpu cpu, Op* op)
    {
    }

    private static void Fence(X86Cpu cpu, Op* op) => Interlocked.MemoryBarrier();

    /// <summary>Checks the address as a load does; there is no cache to flush.</summary>
    private static void Flush(X86Cpu cpu, Op* op) => Operands.TryLoadMemory(cpu, op, 1, out _);

    private static void MoveAligned(X86Cpu cpu, Op* op) => MoveVector(cpu, op, aligned: true);

    private static void MoveUnaligned(X86Cpu cpu, Op* op) => MoveVector(cpu, op, aligned: false);

    private static void MoveVector(X86Cpu cpu, Op* op, bool aligned)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        if (op->Kind0 == OperandKind.Memory)
        {
            Operands.TryStoreVector(cpu, op, aligned, Operands.Xmm(cpu, op->Reg1));
        }
        else if (Operands.TryReadVector(cpu, op, 1, aligned, out Vector128<byte> value))
        {
            Operands.Xmm(cpu, op->Reg0) = value;
        }
    }

    private static void MoveScalar32(X86Cpu cpu, Op* op) => MoveScalar(cpu, op, 4);

    private static void MoveScalar64(X86Cpu cpu, Op* op) => MoveScalar(cpu, op, 8);

    /// <summary>From memory the rest is cleared, between registers it stays.</summary>
    private static void MoveScalar(X86Cpu cpu, Op* op, int size)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        if (op->Kind0 == OperandKind.Memory)
        {
            Operands.TryStoreMemory(cpu, op, size, value);
        }
        else if (op->Kind1 == OperandKind.Memory)
        {
            Operands.Xmm(cpu, op->Reg0) = Vector128.Create(value, 0).AsByte();
        }
        else if (size == 4)
        {
            *(uint*)((byte*)cpu.Context + op->Reg0) = (uint)value;
        }
        else
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0) = value;
        }
    }

    private static void MoveDword(X86Cpu cpu, Op* op) => MoveZeroExtended(cpu, op, 4);

    private static void MoveQword(X86Cpu cpu, Op* op) => MoveZeroExtended(cpu, op, 8);

    private static void MoveZeroExtended(X86Cpu cpu, Op* op, int size)
    {
        if (!Simd.Begin(cpu, op) || !Operands.TryRead(cpu, op, 1, size, out ulong value))
        {
            return;
        }

        switch (op->Kind0)
        {
            case OperandKind.Vector:
                Operands.Xmm(cpu, op->Reg0) = Vector128.Create(value, 0).AsByte();
                break;
            case OperandKind.Mmx:
                Simd.WriteMmx(cpu, op->Reg0, value);
                break;
            default:
                if (Operands.TryWrite(cpu, op, 0, size, value))
                {
                    Simd.FinishMmxSource(cpu, op);
                }

                break;
        }
    }

    private static void MoveLow(X86Cpu cpu, Op* op) => MoveHalf(cpu, op, 0);

    private static void MoveHigh(X86Cpu cpu, Op* op) => MoveHalf(cpu, op, 8);

    private static void MoveHalf(X86Cpu cpu, Op* op, int offset)
    {
        if (!Simd.Begin(cpu, op))
        {
            return;
        }

        if (op->Kind0 == OperandKind.Memory)
        {
            Operands.TryStoreMemory(cpu, op, 8, *(ulong*)((byte*)cpu.Context + op->Reg1 + offset));
        }
        else if (Operands.TryLoadMemory(cpu, op, 8, out ulong value))
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0 + offset) = value;
        }
    }

    private static void MoveHighToLow(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0) = *(ulong*)((byte*)cpu.Context + op->Reg1 + 8);
        }
    }

    private static void MoveLowToHigh(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            *(ulong*)((byte*)cpu.Context + op->Reg0 + 8) = *(ulong*)((byte*)cpu.Context + op->Reg1);
        }
    }

    private static void MoveMmxToXmm(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.Xmm(cpu, op->Reg0) = Vector128.Create(*(ulong*)((byte*)cpu.Context + op->Reg1), 0).AsByte();
            Simd.FinishMmxSource(cpu, op);
        }
    }

    private static void MoveXmmToMmx(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Simd.WriteMmx(cpu, op->Reg0, *(ulong*)((byte*)cpu.Context + op->Reg1));
        }
    }

    private static void MoveNonTemporal(X86Cpu cpu, Op* op) =>
        Operands.TryStoreMemory(cpu, op, op->Width1, Operands.ReadGpr(cpu, op->Reg1, op->Width1));

    /// <summary>Stores the bytes whose mask byte has its top bit set to DS:rDI.</summary>
    private static void MaskMove(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            StoreMasked(cpu, op);
        }
    }

    /// <summary>MASKMOVDQU and MASKMOVQ, once they may be executed.</summary>
    public static void StoreMasked(X86Cpu cpu, Op* op)
    {
        int size = op->Kind1 == OperandKind.Mmx ? 8 : 16;
        byte* data = (byte*)cpu.Context + op->Reg1;
        byte* mask = (byte*)cpu.Context + op->Reg2;
        ulong offsetMask = op->AddressSize switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };
        ulong offset = cpu.Register(Gpr.Rdi) & offsetMask;
        if (!cpu.TrySegmentLinear((SegmentIndex)op->Segment, offset, size, AccessKind.Write, out ulong va) || !cpu.ProbeWrite(va, size))
        {
            return;
        }

        for (int i = 0; i < size; i++)
        {
            if ((mask[i] & 0x80) != 0)
            {
                cpu.TryWrite(va + (ulong)i, 1, data[i]);
            }
        }

        Simd.FinishMmxSource(cpu, op);
    }

    private static void LoadMxcsr(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            ReadMxcsr(cpu, op);
        }
    }

    /// <summary>MXCSR from memory; a reserved bit is #GP.</summary>
    public static void ReadMxcsr(X86Cpu cpu, Op* op)
    {
        if (!Operands.TryLoadMemory(cpu, op, 4, out ulong value))
        {
            return;
        }

        if ((value & 0xFFFF0000) != 0)
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        cpu.State.Mxcsr = (uint)value;
    }

    private static void StoreMxcsr(X86Cpu cpu, Op* op)
    {
        if (Simd.Begin(cpu, op))
        {
            Operands.TryStoreMemory(cpu, op, 4, cpu.State.Mxcsr);
        }
    }

    /// <summary>Empties the stack and clears TOP, as every MMX instruction does.</summary>
    private static void Emms(X86Cpu cpu, Op* op)
    {
        if ((cpu.State.Cr0 & Cr0.EM) != 0)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
        }
        else if ((cpu.State.Cr0 & Cr0.TS) != 0)
        {
            cpu.Raise(ExceptionVector.DeviceNotAvailable);
        }
        else if (X87Stack.CheckPending(cpu))
        {
            cpu.State.Ftw = 0xFFFF;
            X87Stack.SetTop(cpu, 0);
        }
    }
}
