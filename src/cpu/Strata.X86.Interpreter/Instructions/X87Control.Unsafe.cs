using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// Control, status, environment and state of the x87 FPU. Intel SDM Vol. 1, "x87 FPU Control Instructions" and "Saving the x87 FPU's State
/// with FSTENV/FNSTENV and FSAVE/FNSAVE".
/// </summary>
internal static unsafe class X87Control
{
    private const int RegistersSize = 80;

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Fninit, &Initialize);
        table.Add(Mnemonic.Fnclex, &ClearExceptions);
        table.Add(Mnemonic.Fldcw, &LoadControl);
        table.Add(Mnemonic.Fnstcw, &StoreControl);
        table.Add(Mnemonic.Fnstsw, &StoreStatus);
        table.Add(Mnemonic.Fnstenv, &StoreEnvironment);
        table.Add(Mnemonic.Fldenv, &LoadEnvironment);
        table.Add(Mnemonic.Fnsave, &Save);
        table.Add(Mnemonic.Frstor, &Restore);
        table.Add(Mnemonic.Wait, &Wait);
        table.Add(Mnemonic.Fincstp, &IncrementTop);
        table.Add(Mnemonic.Fdecstp, &DecrementTop);
        table.Add(Mnemonic.Ffree, &Free);
        table.Add(Mnemonic.Ffreep, &FreeAndPop);
        table.Add(Mnemonic.Fnop, &NoOperation);

        // 8087 and 80287 leftovers that later processors ignore.
        table.Add(Mnemonic.Fneni, &Ignore);
        table.Add(Mnemonic.Fndisi, &Ignore);
        table.Add(Mnemonic.Fnsetpm, &Ignore);
    }

    private static void Initialize(X86Cpu cpu, Op* op)
    {
        if (X87Stack.IsAvailable(cpu))
        {
            Reset(cpu);
        }
    }

    /// <summary>State after FNINIT: all exceptions masked, extended precision, empty stack.</summary>
    private static void Reset(X86Cpu cpu)
    {
        ref X86CpuState s = ref cpu.State;
        s.Fcw = 0x37F;
        s.Fsw = 0;
        s.Ftw = 0xFFFF;
        s.Fop = 0;
        s.FpuIp = s.FpuDp = 0;
        s.FpuCs = s.FpuDs = 0;
    }

    private static void ClearExceptions(X86Cpu cpu, Op* op)
    {
        if (X87Stack.IsAvailable(cpu))
        {
            cpu.State.Fsw &= 0x7F00;
        }
    }

    private static void LoadControl(X86Cpu cpu, Op* op)
    {
        if (X87Stack.IsAvailable(cpu) && X87Stack.CheckPending(cpu) && Operands.TryLoadMemory(cpu, op, 2, out ulong value))
        {
            SetControl(cpu, (ushort)value);
        }
    }

    private static void SetControl(X86Cpu cpu, ushort value)
    {
        cpu.State.Fcw = (ushort)((value & X87Stack.ControlBits) | X87Stack.ControlAlwaysSet);
        X87Stack.UpdateSummary(cpu);
    }

    private static void StoreControl(X86Cpu cpu, Op* op)
    {
        if (X87Stack.IsAvailable(cpu))
        {
            Operands.TryStoreMemory(cpu, op, 2, cpu.State.Fcw);
        }
    }

    private static void StoreStatus(X86Cpu cpu, Op* op)
    {
        if (X87Stack.IsAvailable(cpu))
        {
            Operands.TryWrite(cpu, op, 0, 2, cpu.State.Fsw);
        }
    }

    private static void Wait(X86Cpu cpu, Op* op)
    {
        if ((cpu.State.Cr0 & (Cr0.MP | Cr0.TS)) == (Cr0.MP | Cr0.TS))
        {
            cpu.Raise(ExceptionVector.DeviceNotAvailable);
        }
        else
        {
            X87Stack.CheckPending(cpu);
        }
    }

    private static void Ignore(X86Cpu cpu, Op* op) => X87Stack.IsAvailable(cpu);

    private static void NoOperation(X86Cpu cpu, Op* op) => X87Stack.Begin(cpu, op);

    private static void IncrementTop(X86Cpu cpu, Op* op) => MoveTop(cpu, op, 1);

    private static void DecrementTop(X86Cpu cpu, Op* op) => MoveTop(cpu, op, -1);

    private static void MoveTop(X86Cpu cpu, Op* op, int step)
    {
        if (X87Stack.Begin(cpu, op))
        {
            X87Stack.SetC1(cpu, false);
            X87Stack.SetTop(cpu, X87Stack.Top(cpu) + step);
        }
    }

    private static void Free(X86Cpu cpu, Op* op)
    {
        if (X87Stack.Begin(cpu, op))
        {
            X87Stack.SetC1(cpu, false);
            X87Stack.Free(cpu, op->Reg0);
        }
    }

    private static void FreeAndPop(X86Cpu cpu, Op* op)
    {
        if (X87Stack.Begin(cpu, op))
        {
            X87Stack.SetC1(cpu, false);
            X87Stack.Free(cpu, op->Reg0);
            X87Stack.Pop(cpu);
        }
    }

    private static void StoreEnvironment(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.IsAvailable(cpu))
        {
            return;
        }

        byte* image = stackalloc byte[32];
        if (TryStoreImage(cpu, op, image, WriteEnvironment(cpu, op, image)))
        {
            cpu.State.Fcw |= 0x3F;
            X87Stack.UpdateSummary(cpu);
        }
    }

    private static void LoadEnvironment(X86Cpu cpu, Op* op)
    {
        byte* image = stackalloc byte[32];
        if (X87Stack.IsAvailable(cpu) && X87Stack.CheckPending(cpu) && TryLoadImage(cpu, op, image, EnvironmentSize(op)))
        {
            ReadEnvironment(cpu, op, image);
            X87Stack.RefreshTags(cpu);
        }
    }

    private static void Save(X86Cpu cpu, Op* op)
    {
        if (!X87Stack.IsAvailable(cpu))
        {
            return;
        }

        byte* image = stackalloc byte[112];
        int size = WriteEnvironment(cpu, op, image);
        for (int i = 0; i < 8; i++)
        {
            Floating.Float80 value = X87Stack.Read(cpu, i);
            *(ulong*)(image + size + (10 * i)) = value.Significand;
            *(ushort*)(image + size + (10 * i) + 8) = value.SignExponent;
        }

        if (TryStoreImage(cpu, op, image, size + RegistersSize))
        {
            Reset(cpu);
        }
    }

    private static void Restore(X86Cpu cpu, Op* op)
    {
        byte* image = stackalloc byte[112];
        int size = EnvironmentSize(op);
        if (!X87Stack.IsAvailable(cpu) || !X87Stack.CheckPending(cpu) || !TryLoadImage(cpu, op, image, size + RegistersSize))
        {
            return;
        }

        ReadEnvironment(cpu, op, image);
        int top = X87Stack.Top(cpu);
        for (int i = 0; i < 8; i++)
        {
            int register = (top + i) & 7;
            cpu.State.FpuRegisters[2 * register] = *(ulong*)(image + size + (10 * i));
            cpu.State.FpuRegisters[(2 * register) + 1] = *(ushort*)(image + size + (10 * i) + 8);
        }

        X87Stack.RefreshTags(cpu);
    }

    private static int EnvironmentSize(Op* op) => op->OperandSize == 2 ? 14 : 28;

    /// <summary>Real and virtual-8086 mode keep linear addresses where protected mode keeps selectors.</summary>
    private static bool HasLinearPointers(X86Cpu cpu) => !cpu.IsProtected;

    /// <summary>
    /// Writes the environment in the format of operand size and mode. Intel SDM Vol. 1, figures "Protected Mode x87 FPU State Image in
    /// Memory, 32-Bit Format" to "Real Mode x87 FPU State Image in Memory, 16-Bit Format".
    /// </summary>
    /// <returns>Its size in bytes.</returns>
    private static int WriteEnvironment(X86Cpu cpu, Op* op, byte* image)
    {
        // MMX instructions and FXRSTOR know in use and empty only.
        X87Stack.RefreshTags(cpu);
        ref X86CpuState s = ref cpu.State;
        bool linear = HasLinearPointers(cpu);
        uint ip = (uint)s.FpuIp + (linear ? (uint)s.FpuCs << 4 : 0);
        uint dp = (uint)s.FpuDp + (linear ? (uint)s.FpuDs << 4 : 0);
        if (EnvironmentSize(op) == 14)
        {
            ushort* words = (ushort*)image;
            words[0] = s.Fcw;
            words[1] = s.Fsw;
            words[2] = s.Ftw;
            words[3] = (ushort)ip;
            words[4] = (ushort)(linear ? ((ip >> 4) & 0xF000) | s.Fop : s.FpuCs);
            words[5] = (ushort)dp;
            words[6] = (ushort)(linear ? (dp >> 4) & 0xF000 : s.FpuDs);
            return 14;
        }

        uint* doubles = (uint*)image;
        doubles[0] = 0xFFFF0000 | s.Fcw;
        doubles[1] = 0xFFFF0000 | s.Fsw;
        doubles[2] = 0xFFFF0000 | s.Ftw;
        doubles[3] = linear ? 0xFFFF0000 | (ushort)ip : ip;
        doubles[4] = linear ? ((ip >> 4) & 0x0FFFF000) | s.Fop : ((uint)s.Fop << 16) | s.FpuCs;
        doubles[5] = linear ? 0xFFFF0000 | (ushort)dp : dp;
        doubles[6] = linear ? (dp >> 4) & 0x0FFFF000 : 0xFFFF0000 | s.FpuDs;
        return 28;
    }

    private static void ReadEnvironment(X86Cpu cpu, Op* op, byte* image)
    {
        ref X86CpuState s = ref cpu.State;
        bool wide = EnvironmentSize(op) == 28;
        int step = wide ? 4 : 2;
        s.Fsw = *(ushort*)(image + step);
        s.Ftw = *(ushort*)(image + (2 * step));
        uint ip = wide ? *(uint*)(image + 12) : *(ushort*)(image + 6);
        uint codes = wide ? *(uint*)(image + 16) : *(ushort*)(image + 8);
        uint dp = wide ? *(uint*)(image + 20) : *(ushort*)(image + 10);
        uint data = wide ? *(uint*)(image + 24) : *(ushort*)(image + 12);
        if (HasLinearPointers(cpu))
        {
            s.FpuIp = (ushort)ip | ((codes & 0x0FFFF000) << 4);
            s.FpuDp = (ushort)dp | ((data & 0x0FFFF000) << 4);
            s.Fop = (ushort)(codes & 0x7FF);
            s.FpuCs = s.FpuDs = 0;
        }
        else
        {
            s.FpuIp = ip;
            s.FpuDp = dp;
            s.FpuCs = (ushort)codes;
            s.FpuDs = (ushort)data;
            s.Fop = wide ? (ushort)((codes >> 16) & 0x7FF) : (ushort)0;
        }

        SetControl(cpu, *(ushort*)image);
    }

    private static bool TryStoreImage(X86Cpu cpu, Op* op, byte* image, int size) =>
        Operands.TryLinear(cpu, op, size, AccessKind.Write, out ulong va)
        && cpu.TryWriteBytes(va, image, size, op->Segment == (byte)SegmentIndex.Ss);

    private static bool TryLoadImage(X86Cpu cpu, Op* op, byte* image, int size) =>
        Operands.TryLinear(cpu, op, size, AccessKind.Read, out ulong va)
        && cpu.TryReadBytes(va, image, size, op->Segment == (byte)SegmentIndex.Ss);
}
