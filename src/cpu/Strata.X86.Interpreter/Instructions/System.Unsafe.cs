using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Control registers, MSRs, CPUID, descriptor tables, cache and TLB control, halt.</summary>
internal static unsafe class SystemInstructions
{
    public static void Register(InstructionTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_r32_cr, Code.Mov_r64_cr])
        {
            table.Add(code, &MoveFromControl);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_cr_r32, Code.Mov_cr_r64])
        {
            table.AddEnding(code, &MoveToControl);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_r32_dr, Code.Mov_r64_dr])
        {
            table.Add(code, &MoveFromDebug);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_dr_r32, Code.Mov_dr_r64])
        {
            table.AddEnding(code, &MoveToDebug);
        }

        table.AddEnding(Mnemonic.Clts, &Clts);
        table.AddEnding(Mnemonic.Lmsw, &Lmsw);
        table.Add(Mnemonic.Smsw, &Smsw);
        table.AddEnding(Mnemonic.Invlpg, &Invlpg);
        table.AddEnding(Mnemonic.Invpcid, &Invpcid);
        table.Add(Mnemonic.Invd, &Privileged);
        table.Add(Mnemonic.Wbinvd, &Privileged);
        table.Add(Mnemonic.Wbnoinvd, &Privileged);
        table.AddEnding(Mnemonic.Hlt, &Hlt);
        table.Add(Mnemonic.Rdmsr, &Rdmsr);
        table.AddEnding(Mnemonic.Wrmsr, &Wrmsr);
        table.Add(Mnemonic.Cpuid, &Cpuid);
        table.Add(Mnemonic.Rdtsc, &Rdtsc);
        table.Add(Mnemonic.Rdtscp, &Rdtscp);
        table.Add(Mnemonic.Rdpmc, &Rdpmc);
        table.Add(Mnemonic.Rdpid, &Rdpid);
        table.Add(Mnemonic.Rdrand, &Rdrand);
        table.Add(Mnemonic.Rdseed, &Rdrand);
        table.Add(Mnemonic.Xgetbv, &Xgetbv);
        table.AddEnding(Mnemonic.Xsetbv, &Xsetbv);
        table.Add(Mnemonic.Rdfsbase, &ReadBase);
        table.Add(Mnemonic.Rdgsbase, &ReadBase);
        table.Add(Mnemonic.Wrfsbase, &WriteBase);
        table.Add(Mnemonic.Wrgsbase, &WriteBase);
        table.Add(Mnemonic.Lgdt, &Lgdt);
        table.Add(Mnemonic.Lidt, &Lidt);
        table.Add(Mnemonic.Sgdt, &Sgdt);
        table.Add(Mnemonic.Sidt, &Sidt);
        table.Add(Mnemonic.Lldt, &Lldt);
        table.Add(Mnemonic.Ltr, &Ltr);
        table.Add(Mnemonic.Sldt, &Sldt);
        table.Add(Mnemonic.Str, &Str);
    }

    /// <summary>#GP(0) unless CPL is 0 (real mode counts as 0).</summary>
    public static bool RequireSupervisor(X86Cpu cpu) => cpu.Cpl == 0 || cpu.RaiseGeneralProtection();

    private static void MoveFromControl(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu) && cpu.TryReadControl(op->Reg1, out ulong value))
        {
            Operands.WriteGpr(cpu, op->Reg0, cpu.Is64Bit ? 8 : 4, value);
        }
    }

    private static void MoveToControl(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu))
        {
            cpu.TryWriteControl(op->Reg0, Operands.ReadGpr(cpu, op->Reg1, cpu.Is64Bit ? 8 : 4));
        }
    }

    private static void MoveFromDebug(X86Cpu cpu, Op* op)
    {
        if (cpu.TryReadDebug(op->Reg1, out ulong value))
        {
            Operands.WriteGpr(cpu, op->Reg0, cpu.Is64Bit ? 8 : 4, value);
        }
    }

    private static void MoveToDebug(X86Cpu cpu, Op* op) =>
        cpu.TryWriteDebug(op->Reg0, Operands.ReadGpr(cpu, op->Reg1, cpu.Is64Bit ? 8 : 4));

    private static void Clts(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu))
        {
            cpu.TryWriteCr0(cpu.State.Cr0 & ~Cr0.TS);
        }
    }

    private static void Lmsw(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu) && Operands.TryRead(cpu, op, 0, 2, out ulong value))
        {
            // LMSW can set PE but not clear it.
            cpu.TryWriteCr0((cpu.State.Cr0 & ~0xEUL) | (value & 0xF));
        }
    }

    /// <summary>CR4.UMIP makes SGDT, SIDT, SLDT, STR and SMSW privileged.</summary>
    private static bool MayStore(X86Cpu cpu) => (cpu.State.Cr4 & Cr4.UMIP) == 0 || RequireSupervisor(cpu);

    private static void Smsw(X86Cpu cpu, Op* op)
    {
        if (MayStore(cpu))
        {
            int size = op->Kind0 == OperandKind.Memory ? 2 : op->Width;
            Operands.TryWrite(cpu, op, 0, size, cpu.State.Cr0);
        }
    }

    private static void Invlpg(X86Cpu cpu, Op* op)
    {
        if (!RequireSupervisor(cpu))
        {
            return;
        }

        ulong va = Operands.EffectiveAddress(cpu, op);
        SegmentIndex segment = (SegmentIndex)op->Segment;
        if (!cpu.Is64Bit || segment >= SegmentIndex.Fs)
        {
            va = (va + cpu.State.Segment(segment).Base) & cpu.AddressMask;
        }

        cpu.Tlb.FlushPage(va);
    }

    private static void Invpcid(X86Cpu cpu, Op* op)
    {
        ulong* descriptor = stackalloc ulong[2];
        if (RequireSupervisor(cpu)
            && Operands.TryLinear(cpu, op, 16, AccessKind.Read, out ulong va)
            && cpu.TryReadBytes(va, (byte*)descriptor, 16))
        {
            cpu.TryInvalidatePcid(Operands.ReadGpr(cpu, op->Reg0, cpu.Is64Bit ? 8 : 4), descriptor[0], descriptor[1]);
        }
    }

    private static void Privileged(X86Cpu cpu, Op* op) => RequireSupervisor(cpu);

    private static void Hlt(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu))
        {
            cpu.State.Activity = ActivityState.Halted;
        }
    }

    private static void Rdmsr(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu) && cpu.TryReadMsr((uint)cpu.Register(Gpr.Rcx), out ulong value))
        {
            SetPair(cpu, value);
        }
    }

    private static void Wrmsr(X86Cpu cpu, Op* op)
    {
        if (RequireSupervisor(cpu))
        {
            cpu.TryWriteMsr((uint)cpu.Register(Gpr.Rcx), (uint)cpu.Register(Gpr.Rax) | (cpu.Register(Gpr.Rdx) << 32));
        }
    }

    private static void Cpuid(X86Cpu cpu, Op* op)
    {
        Cpuid.CpuidResult result = cpu.QueryCpuid((uint)cpu.Register(Gpr.Rax), (uint)cpu.Register(Gpr.Rcx));
        cpu.Register(Gpr.Rax) = result.Eax;
        cpu.Register(Gpr.Rbx) = result.Ebx;
        cpu.Register(Gpr.Rcx) = result.Ecx;
        cpu.Register(Gpr.Rdx) = result.Edx;
    }

    private static bool MayReadTsc(X86Cpu cpu) => (cpu.State.Cr4 & Cr4.TSD) == 0 || RequireSupervisor(cpu);

    private static void Rdtsc(X86Cpu cpu, Op* op)
    {
        if (MayReadTsc(cpu))
        {
            SetPair(cpu, cpu.ReadTsc());
        }
    }

    private static void Rdtscp(X86Cpu cpu, Op* op)
    {
        if (MayReadTsc(cpu))
        {
            SetPair(cpu, cpu.ReadTsc());
            cpu.Register(Gpr.Rcx) = cpu.State.TscAux;
        }
    }

    /// <summary>This processor has no performance counters.</summary>
    private static void Rdpmc(X86Cpu cpu, Op* op) => cpu.RaiseGeneralProtection();

    private static void Rdpid(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, op->Reg0, 8, cpu.State.TscAux);

    private static void Rdrand(X86Cpu cpu, Op* op)
    {
        Operands.WriteGpr(cpu, op->Reg0, op->Width, cpu.Wiring.Random());
        cpu.Rflags = (cpu.Rflags & ~RFlags.Arithmetic) | RFlags.CF;
    }

    private static void Xgetbv(X86Cpu cpu, Op* op)
    {
        if ((cpu.State.Cr4 & Cr4.OSXSAVE) == 0)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
        }
        else if ((uint)cpu.Register(Gpr.Rcx) > 1)
        {
            cpu.RaiseGeneralProtection();
        }
        else
        {
            SetPair(cpu, cpu.State.Xcr0);
        }
    }

    private static void Xsetbv(X86Cpu cpu, Op* op)
    {
        ulong value = (uint)cpu.Register(Gpr.Rax) | (cpu.Register(Gpr.Rdx) << 32);
        if ((cpu.State.Cr4 & Cr4.OSXSAVE) == 0)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
        }
        else if (cpu.Cpl != 0 || (uint)cpu.Register(Gpr.Rcx) != 0 || (value & ~cpu.SupportedXcr0) != 0 || !X86Cpu.IsXcr0(value))
        {
            cpu.RaiseGeneralProtection();
        }
        else
        {
            cpu.State.Xcr0 = value;
        }
    }

    private static ref ulong BaseOf(X86Cpu cpu, Op* op)
    {
        bool fs = (Mnemonic)op->Mnemonic is Mnemonic.Rdfsbase or Mnemonic.Wrfsbase;
        return ref fs ? ref cpu.State.Fs.Base : ref cpu.State.Gs.Base;
    }

    private static bool HasBaseInstructions(X86Cpu cpu) =>
        (cpu.State.Cr4 & Cr4.FSGSBASE) != 0 || cpu.Raise(ExceptionVector.InvalidOpcode);

    private static void ReadBase(X86Cpu cpu, Op* op)
    {
        if (HasBaseInstructions(cpu))
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, BaseOf(cpu, op));
        }
    }

    private static void WriteBase(X86Cpu cpu, Op* op)
    {
        if (!HasBaseInstructions(cpu))
        {
            return;
        }

        ulong value = Operands.ReadGpr(cpu, op->Reg0, op->Width);
        if (!cpu.IsCanonical(value))
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        BaseOf(cpu, op) = value;
    }

    private static void Lgdt(X86Cpu cpu, Op* op) => LoadTable(cpu, op, ref cpu.State.Gdtr);

    private static void Lidt(X86Cpu cpu, Op* op) => LoadTable(cpu, op, ref cpu.State.Idtr);

    private static void LoadTable(X86Cpu cpu, Op* op, ref DescriptorTableRegister register)
    {
        int size = cpu.Is64Bit ? 8 : 4;
        if (!RequireSupervisor(cpu)
            || !Operands.TryLinear(cpu, op, 2 + size, AccessKind.Read, out ulong va)
            || !cpu.TryRead(va, 2, out ulong limit)
            || !cpu.TryRead(va + 2, size, out ulong tableBase))
        {
            return;
        }

        if (op->OperandSize == 2 && size == 4)
        {
            tableBase &= 0xFFFFFF;
        }

        if (!cpu.IsCanonical(tableBase))
        {
            cpu.RaiseGeneralProtection();
            return;
        }

        register.Limit = (uint)limit;
        register.Base = tableBase;
    }

    private static void Sgdt(X86Cpu cpu, Op* op) => StoreTable(cpu, op, cpu.State.Gdtr);

    private static void Sidt(X86Cpu cpu, Op* op) => StoreTable(cpu, op, cpu.State.Idtr);

    private static void StoreTable(X86Cpu cpu, Op* op, DescriptorTableRegister register)
    {
        int size = cpu.Is64Bit ? 8 : 4;
        byte* image = stackalloc byte[10];
        *(ushort*)image = (ushort)register.Limit;
        *(ulong*)(image + 2) = register.Base;
        if (MayStore(cpu) && Operands.TryLinear(cpu, op, 2 + size, AccessKind.Write, out ulong va))
        {
            cpu.TryWriteBytes(va, image, 2 + size);
        }
    }

    private static bool RequireProtected(X86Cpu cpu) => cpu.IsProtected || cpu.Raise(ExceptionVector.InvalidOpcode);

    private static void Lldt(X86Cpu cpu, Op* op)
    {
        if (RequireProtected(cpu) && RequireSupervisor(cpu) && Operands.TryRead(cpu, op, 0, 2, out ulong selector))
        {
            cpu.TryLoadLdt((ushort)selector);
        }
    }

    private static void Ltr(X86Cpu cpu, Op* op)
    {
        if (RequireProtected(cpu) && RequireSupervisor(cpu) && Operands.TryRead(cpu, op, 0, 2, out ulong selector))
        {
            cpu.TryLoadTaskRegister((ushort)selector);
        }
    }

    private static void Sldt(X86Cpu cpu, Op* op) => StoreSelector(cpu, op, cpu.State.Ldtr.Selector);

    private static void Str(X86Cpu cpu, Op* op) => StoreSelector(cpu, op, cpu.State.Tr.Selector);

    private static void StoreSelector(X86Cpu cpu, Op* op, ushort selector)
    {
        if (RequireProtected(cpu) && MayStore(cpu))
        {
            Operands.TryWrite(cpu, op, 0, op->Kind0 == OperandKind.Memory ? 2 : op->Width, selector);
        }
    }

    private static void SetPair(X86Cpu cpu, ulong value)
    {
        cpu.Register(Gpr.Rax) = (uint)value;
        cpu.Register(Gpr.Rdx) = value >> 32;
    }
}
