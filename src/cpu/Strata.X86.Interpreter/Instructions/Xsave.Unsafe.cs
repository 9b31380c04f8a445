using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>FXSAVE, XSAVE and their kin. Intel SDM Vol. 1, "FXSAVE Area" and "Managing State Using the XSAVE Feature Set".</summary>
internal static unsafe class XsaveInstructions
{
    private const int LegacySize = 512;
    private const int HeaderSize = 64;
    private const ulong X87Component = 1;
    private const ulong SseComponent = 2;
    private const ulong AvxComponent = 4;
    private const int AvxSize = 256;
    private const int ShortSize = LegacySize + HeaderSize;
    private const int FullSize = ShortSize + AvxSize;
    private const ushort InitialFcw = 0x37F;
    private const uint MxcsrMask = 0xFFFF;
    private const uint InitialMxcsr = 0x1F80;
    private const ulong CompactFormat = 1UL << 63;

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Fxsave, &Fxsave);
        table.Add(Mnemonic.Fxsave64, &Fxsave);
        table.Add(Mnemonic.Fxrstor, &Fxrstor);
        table.Add(Mnemonic.Fxrstor64, &Fxrstor);
        table.Add(Mnemonic.Xsave, &Xsave);
        table.Add(Mnemonic.Xsave64, &Xsave);
        table.Add(Mnemonic.Xsaveopt, &Xsave);
        table.Add(Mnemonic.Xsaveopt64, &Xsave);
        table.Add(Mnemonic.Xsavec, &Xsavec);
        table.Add(Mnemonic.Xsavec64, &Xsavec);
        table.Add(Mnemonic.Xrstor, &Xrstor);
        table.Add(Mnemonic.Xrstor64, &Xrstor);
    }

    private static bool Is64(Op* op) =>
        (Mnemonic)op->Mnemonic is Mnemonic.Fxsave64
            or Mnemonic.Fxrstor64
            or Mnemonic.Xsave64
            or Mnemonic.Xsaveopt64
            or Mnemonic.Xsavec64
            or Mnemonic.Xrstor64;

    private static bool IsAvailable(X86Cpu cpu, bool needsXsave)
    {
        if (needsXsave && (cpu.State.Cr4 & Cr4.OSXSAVE) == 0)
        {
            return cpu.Raise(ExceptionVector.InvalidOpcode);
        }

        ulong blocked = needsXsave ? Cr0.TS : Cr0.TS | Cr0.EM;
        return (cpu.State.Cr0 & blocked) == 0 || cpu.Raise(ExceptionVector.DeviceNotAvailable);
    }

    private static bool TryArea(X86Cpu cpu, Op* op, int size, ulong alignment, AccessKind kind, out ulong va) =>
        Operands.TryLinear(cpu, op, size, kind, out va) && ((va & (alignment - 1)) == 0 || cpu.RaiseGeneralProtection());

    private static void Fxsave(X86Cpu cpu, Op* op)
    {
        byte* area = stackalloc byte[LegacySize];
        if (!IsAvailable(cpu, needsXsave: false) || !TryArea(cpu, op, LegacySize, 16, AccessKind.Write, out ulong va)
            || !cpu.TryReadBytes(va, area, LegacySize))
        {
            return;
        }

        StoreX87(cpu, area, Is64(op));
        StoreMxcsr(cpu, area);
        if ((cpu.State.Cr4 & Cr4.OSFXSR) != 0)
        {
            StoreVectors(cpu, area);
        }

        cpu.TryWriteBytes(va, area, LegacySize);
    }

    private static void Fxrstor(X86Cpu cpu, Op* op)
    {
        byte* area = stackalloc byte[LegacySize];
        if (!IsAvailable(cpu, needsXsave: false) || !TryArea(cpu, op, LegacySize, 16, AccessKind.Read, out ulong va)
            || !cpu.TryReadBytes(va, area, LegacySize))
        {
            return;
        }

        if ((*(uint*)(area + 24) & ~MxcsrMask) != 0)
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        LoadX87(cpu, area, Is64(op));
        cpu.State.Mxcsr = *(uint*)(area + 24);
        if ((cpu.State.Cr4 & Cr4.OSFXSR) != 0)
        {
            LoadVectors(cpu, area);
        }
    }

    /// <summary>RFBM: the components asked for and enabled.</summary>
    private static ulong Requested(X86Cpu cpu) =>
        ((uint)cpu.Register(Gpr.Rax) | (cpu.Register(Gpr.Rdx) << 32)) & cpu.State.Xcr0;

    /// <summary>
    /// XINUSE: components that may differ from their initial state. The SSE component counts as in use always; XSAVEC leaves out what
    /// is not, and XRSTOR then initializes it.
    /// </summary>
    private static ulong InUse(X86Cpu cpu)
    {
        ref X86CpuState s = ref cpu.State;
        ulong x87 = (uint)(s.Fcw ^ InitialFcw) | (uint)s.Fsw | (uint)(s.Ftw ^ 0xFFFF) | s.Fop | s.FpuIp | s.FpuDp | s.FpuCs | s.FpuDs;
        for (int i = 0; i < 16; i++)
        {
            x87 |= s.FpuRegisters[i];
        }

        cpu.UpdateUppersInUse();
        ulong initial = (x87 == 0 ? X87Component : 0) | (cpu.Context->UppersInUse == 0 ? AvxComponent : 0);
        return ~initial;
    }

    private static void Xsave(X86Cpu cpu, Op* op)
    {
        bool leavesOut = (Mnemonic)op->Mnemonic is Mnemonic.Xsaveopt or Mnemonic.Xsaveopt64;
        byte* area = stackalloc byte[FullSize];
        if (!IsAvailable(cpu, needsXsave: true))
        {
            return;
        }

        ulong mask = Requested(cpu);
        ulong stored = mask & InUse(cpu);
        int size = SizeOf(leavesOut ? stored : mask);
        if (!TryArea(cpu, op, size, 64, AccessKind.Write, out ulong va) || !cpu.TryReadBytes(va, area, size))
        {
            return;
        }

        if ((mask & (SseComponent | AvxComponent)) != 0)
        {
            StoreMxcsr(cpu, area);
        }

        StoreComponents(cpu, op, area, leavesOut ? stored : mask);
        ulong* header = (ulong*)(area + LegacySize);
        header[0] = (header[0] & ~mask) | stored;
        cpu.TryWriteBytes(va, area, size);
    }

    private static void Xsavec(X86Cpu cpu, Op* op)
    {
        byte* area = stackalloc byte[FullSize];
        if (!IsAvailable(cpu, needsXsave: true))
        {
            return;
        }

        ulong mask = Requested(cpu);
        ulong stored = mask & InUse(cpu);
        int size = SizeOf(stored);
        if (!TryArea(cpu, op, size, 64, AccessKind.Write, out ulong va) || !cpu.TryReadBytes(va, area, size))
        {
            return;
        }

        if ((stored & SseComponent) != 0)
        {
            StoreMxcsr(cpu, area);
        }

        StoreComponents(cpu, op, area, stored);
        ulong* header = (ulong*)(area + LegacySize);
        header[0] = stored;
        header[1] = mask | CompactFormat;
        cpu.TryWriteBytes(va, area, size);
    }

    /// <summary>Bytes of an image of these components. AVX has the same place in both formats, as there is nothing before it.</summary>
    private static int SizeOf(ulong components) => (components & AvxComponent) != 0 ? FullSize : ShortSize;

    private static void StoreComponents(X86Cpu cpu, Op* op, byte* area, ulong mask)
    {
        if ((mask & X87Component) != 0)
        {
            StoreX87(cpu, area, Is64(op));
        }

        if ((mask & SseComponent) != 0)
        {
            StoreVectors(cpu, area);
        }

        if ((mask & AvxComponent) != 0)
        {
            StoreUppers(cpu, area + ShortSize);
        }
    }

    private static void Xrstor(X86Cpu cpu, Op* op)
    {
        byte* area = stackalloc byte[FullSize];
        if (!IsAvailable(cpu, needsXsave: true) || !TryArea(cpu, op, ShortSize, 64, AccessKind.Read, out ulong va)
            || !cpu.TryReadBytes(va, area, ShortSize))
        {
            return;
        }

        ulong* header = (ulong*)(area + LegacySize);
        ulong mask = Requested(cpu);
        bool compact = (header[1] & CompactFormat) != 0;
        bool badHeader = compact
            ? (header[1] & ~CompactFormat & ~(cpu.State.Xcr0 | cpu.ForeignComponents)) != 0
                || (header[0] & ~header[1]) != 0
                || !IsZero(header + 2, (HeaderSize / 8) - 2)
            : header[1] != 0 || header[2] != 0 || (header[0] & ~cpu.State.Xcr0) != 0;

        // The standard form loads MXCSR even where the image has no SSE state, and for AVX; the compacted one initializes it with the rest.
        bool wantsMxcsr = (mask & (compact ? SseComponent : SseComponent | AvxComponent)) != 0;
        bool loadsMxcsr = wantsMxcsr && (!compact || (header[0] & SseComponent) != 0);
        uint mxcsr = loadsMxcsr ? *(uint*)(area + 24) : wantsMxcsr ? InitialMxcsr : cpu.State.Mxcsr;
        if (badHeader || (mxcsr & ~MxcsrMask) != 0)
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        if ((mask & header[0] & AvxComponent) != 0 && !TryReadUppers(cpu, op, va, area))
        {
            return;
        }

        cpu.State.Mxcsr = mxcsr;
        RestoreComponents(cpu, op, area, mask, header[0]);
    }

    private static bool TryReadUppers(X86Cpu cpu, Op* op, ulong va, byte* area) =>
        Operands.TryLinear(cpu, op, FullSize, AccessKind.Read, out _) && cpu.TryReadBytes(va + ShortSize, area + ShortSize, AvxSize);

    private static bool IsZero(ulong* words, int count)
    {
        ulong any = 0;
        for (int i = 0; i < count; i++)
        {
            any |= words[i];
        }

        return any == 0;
    }

    /// <summary>Components asked for but absent from the image go to their initial state.</summary>
    private static void RestoreComponents(X86Cpu cpu, Op* op, byte* area, ulong mask, ulong present)
    {
        if ((mask & X87Component) != 0)
        {
            if ((present & X87Component) != 0)
            {
                LoadX87(cpu, area, Is64(op));
            }
            else
            {
                ClearX87(cpu);
            }
        }

        if ((mask & SseComponent) != 0)
        {
            if ((present & SseComponent) != 0)
            {
                LoadVectors(cpu, area);
            }
            else
            {
                for (int i = 0; i < VectorCount(cpu); i++)
                {
                    cpu.State.Vectors[i * 4] = cpu.State.Vectors[(i * 4) + 1] = 0;
                }
            }
        }

        if ((mask & AvxComponent) != 0)
        {
            RestoreUppers(cpu, (present & AvxComponent) != 0 ? (ulong*)(area + ShortSize) : null);
        }
    }

    private static void RestoreUppers(X86Cpu cpu, ulong* image)
    {
        for (int i = 0; i < VectorCount(cpu); i++)
        {
            cpu.State.Vectors[(i * 4) + 2] = image == null ? 0 : image[2 * i];
            cpu.State.Vectors[(i * 4) + 3] = image == null ? 0 : image[(2 * i) + 1];
        }

        cpu.UpdateUppersInUse();
    }

    private static void StoreUppers(X86Cpu cpu, byte* area)
    {
        for (int i = 0; i < VectorCount(cpu); i++)
        {
            ((ulong*)area)[2 * i] = cpu.State.Vectors[(i * 4) + 2];
            ((ulong*)area)[(2 * i) + 1] = cpu.State.Vectors[(i * 4) + 3];
        }
    }

    private static int VectorCount(X86Cpu cpu) => cpu.Is64Bit ? 16 : 8;

    private static void StoreMxcsr(X86Cpu cpu, byte* area)
    {
        *(uint*)(area + 24) = cpu.State.Mxcsr;
        *(uint*)(area + 28) = MxcsrMask;
    }

    private static void StoreVectors(X86Cpu cpu, byte* area)
    {
        for (int i = 0; i < VectorCount(cpu); i++)
        {
            ulong* at = (ulong*)(area + 160 + (i * 16));
            at[0] = cpu.State.Vectors[i * 4];
            at[1] = cpu.State.Vectors[(i * 4) + 1];
        }
    }

    private static void LoadVectors(X86Cpu cpu, byte* area)
    {
        for (int i = 0; i < VectorCount(cpu); i++)
        {
            ulong* at = (ulong*)(area + 160 + (i * 16));
            cpu.State.Vectors[i * 4] = at[0];
            cpu.State.Vectors[(i * 4) + 1] = at[1];
        }
    }

    /// <summary>The image holds the registers in stack order and one tag bit a physical register.</summary>
    private static void StoreX87(X86Cpu cpu, byte* area, bool wide)
    {
        ref X86CpuState s = ref cpu.State;
        *(ushort*)area = s.Fcw;
        *(ushort*)(area + 2) = s.Fsw;
        byte tags = 0;
        for (int i = 0; i < 8; i++)
        {
            tags |= (byte)(((s.Ftw >> (2 * i)) & 3) != 3 ? 1 << i : 0);
        }

        area[4] = tags;
        area[5] = 0;
        *(ushort*)(area + 6) = s.Fop;
        *(ulong*)(area + 8) = wide ? s.FpuIp : (uint)s.FpuIp | ((ulong)s.FpuCs << 32);
        *(ulong*)(area + 16) = wide ? s.FpuDp : (uint)s.FpuDp | ((ulong)s.FpuDs << 32);
        int top = X87Stack.Top(cpu);
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            *(ulong*)(area + 32 + (i * 16)) = s.FpuRegisters[physical * 2];
            *(ulong*)(area + 40 + (i * 16)) = (ushort)s.FpuRegisters[(physical * 2) + 1];
        }
    }

    private static void LoadX87(X86Cpu cpu, byte* area, bool wide)
    {
        ref X86CpuState s = ref cpu.State;
        s.Fcw = (ushort)((*(ushort*)area & X87Stack.ControlBits) | X87Stack.ControlAlwaysSet);
        s.Fsw = *(ushort*)(area + 2);
        s.Fop = (ushort)(*(ushort*)(area + 6) & 0x7FF);
        s.FpuIp = wide ? *(ulong*)(area + 8) : *(uint*)(area + 8);
        s.FpuCs = wide ? (ushort)0 : *(ushort*)(area + 12);
        s.FpuDp = wide ? *(ulong*)(area + 16) : *(uint*)(area + 16);
        s.FpuDs = wide ? (ushort)0 : *(ushort*)(area + 20);
        int top = X87Stack.Top(cpu);
        for (int i = 0; i < 8; i++)
        {
            int physical = (top + i) & 7;
            s.FpuRegisters[physical * 2] = *(ulong*)(area + 32 + (i * 16));
            s.FpuRegisters[(physical * 2) + 1] = *(ushort*)(area + 40 + (i * 16));
        }

        ushort tags = 0;
        for (int i = 0; i < 8; i++)
        {
            tags |= (ushort)((area[4] & (1 << i)) == 0 ? 3 << (2 * i) : 0);
        }

        s.Ftw = tags;
        X87Stack.RefreshTags(cpu);
        X87Stack.UpdateSummary(cpu);
    }

    private static void ClearX87(X86Cpu cpu)
    {
        ref X86CpuState s = ref cpu.State;
        s.Fcw = InitialFcw;
        s.Fsw = 0;
        s.Ftw = 0xFFFF;
        s.Fop = 0;
        s.FpuIp = s.FpuDp = 0;
        s.FpuCs = s.FpuDs = 0;
        for (int i = 0; i < 16; i++)
        {
            s.FpuRegisters[i] = 0;
        }
    }
}
