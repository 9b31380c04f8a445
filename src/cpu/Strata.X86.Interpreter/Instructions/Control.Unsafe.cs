using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Far transfers, interrupts, system calls, and the flags that control them.</summary>
internal static unsafe class ControlInstructions
{
    public static void Register(InstructionTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Jmp_ptr1616, Code.Jmp_ptr1632])
        {
            table.AddEnding(code, &FarJumpDirect);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Jmp_m1616, Code.Jmp_m1632, Code.Jmp_m1664])
        {
            table.AddEnding(code, &FarJumpMemory);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Call_ptr1616, Code.Call_ptr1632])
        {
            table.AddEnding(code, &FarCallDirect);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Call_m1616, Code.Call_m1632, Code.Call_m1664])
        {
            table.AddEnding(code, &FarCallMemory);
        }

        table.AddEnding(Mnemonic.Retf, &FarReturn);
        table.AddEnding(Mnemonic.Iret, &InterruptReturn);
        table.AddEnding(Mnemonic.Iretd, &InterruptReturn);
        table.AddEnding(Mnemonic.Iretq, &InterruptReturn);
        table.AddEnding(Mnemonic.Int, &Interrupt);
        table.AddEnding(Mnemonic.Int3, &Breakpoint);
        table.AddEnding(Mnemonic.Int1, &Icebp);
        table.AddEnding(Mnemonic.Into, &Overflow);
        table.AddEnding(Mnemonic.Syscall, &Syscall);
        table.AddEnding(Mnemonic.Sysret, &Sysret);
        table.AddEnding(Mnemonic.Sysretq, &Sysret);
        table.AddEnding(Mnemonic.Sysenter, &Sysenter);
        table.AddEnding(Mnemonic.Sysexit, &Sysexit);
        table.AddEnding(Mnemonic.Sysexitq, &Sysexit);
        table.AddEnding(Mnemonic.Sti, &Sti);
        table.Add(Mnemonic.Cli, &Cli);
        table.AddEnding(Mnemonic.Stac, &Stac);
        table.AddEnding(Mnemonic.Clac, &Clac);
        table.Add(Mnemonic.Pushf, &PushFlags);
        table.Add(Mnemonic.Pushfd, &PushFlags);
        table.Add(Mnemonic.Pushfq, &PushFlags);
        table.AddEnding(Mnemonic.Popf, &PopFlags);
        table.AddEnding(Mnemonic.Popfd, &PopFlags);
        table.AddEnding(Mnemonic.Popfq, &PopFlags);
    }

    private static void FarJumpDirect(X86Cpu cpu, Op* op) => cpu.TryFarJump((ushort)op->Imm2, op->Imm, op->OperandSize);

    private static void FarCallDirect(X86Cpu cpu, Op* op) => cpu.TryFarCall((ushort)op->Imm2, op->Imm, op->OperandSize);

    private static void FarJumpMemory(X86Cpu cpu, Op* op)
    {
        if (TryReadPointer(cpu, op, out ulong offset, out ushort selector))
        {
            cpu.TryFarJump(selector, offset, op->OperandSize);
        }
    }

    private static void FarCallMemory(X86Cpu cpu, Op* op)
    {
        if (TryReadPointer(cpu, op, out ulong offset, out ushort selector))
        {
            cpu.TryFarCall(selector, offset, PointerSize(op));
        }
    }

    private static int PointerSize(Op* op) => (Code)op->Code switch
    {
        Code.Jmp_m1616 or Code.Call_m1616 => 2,
        Code.Jmp_m1632 or Code.Call_m1632 => 4,
        _ => 8,
    };

    private static bool TryReadPointer(X86Cpu cpu, Op* op, out ulong offset, out ushort selector)
    {
        int size = PointerSize(op);
        offset = 0;
        selector = 0;
        if (!Operands.TryLinear(cpu, op, size + 2, AccessKind.Read, out ulong va)
            || !cpu.TryRead(va, size, out offset)
            || !cpu.TryRead(va + (ulong)size, 2, out ulong value))
        {
            return false;
        }

        selector = (ushort)value;
        return true;
    }

    private static void FarReturn(X86Cpu cpu, Op* op)
    {
        int size = (Code)op->Code switch
        {
            Code.Retfw or Code.Retfw_imm16 => 2,
            Code.Retfd or Code.Retfd_imm16 => 4,
            _ => 8,
        };
        cpu.TryFarReturn(size, op->Kind0 == OperandKind.Immediate ? (ushort)op->Imm : 0u);
    }

    private static void InterruptReturn(X86Cpu cpu, Op* op) =>
        cpu.TryInterruptReturn((Mnemonic)op->Mnemonic switch { Mnemonic.Iret => 2, Mnemonic.Iretd => 4, _ => 8 });

    private static void Interrupt(X86Cpu cpu, Op* op) => cpu.TrySoftwareInterrupt((byte)op->Imm, sensitive: true);

    private static void Breakpoint(X86Cpu cpu, Op* op) => cpu.TrySoftwareInterrupt((byte)ExceptionVector.Breakpoint, sensitive: false);

    private static void Icebp(X86Cpu cpu, Op* op) => cpu.DeliverIcebp();

    private static void Overflow(X86Cpu cpu, Op* op)
    {
        if ((cpu.Rflags & RFlags.OF) != 0)
        {
            cpu.TrySoftwareInterrupt((byte)ExceptionVector.Overflow, sensitive: false);
        }
    }

    private static void Syscall(X86Cpu cpu, Op* op) => cpu.TrySyscall();

    private static void Sysret(X86Cpu cpu, Op* op) => cpu.TrySysret((Mnemonic)op->Mnemonic == Mnemonic.Sysretq);

    private static void Sysenter(X86Cpu cpu, Op* op) => cpu.TrySysenter();

    private static void Sysexit(X86Cpu cpu, Op* op) => cpu.TrySysexit((Mnemonic)op->Mnemonic == Mnemonic.Sysexitq);

    /// <summary>IOPL allows CLI and STI.</summary>
    private static bool MayChangeInterrupts(X86Cpu cpu) =>
        (cpu.Context->Mode & ModeBits.Protected) == 0
        || cpu.Cpl <= (int)((cpu.State.Rflags >> 12) & 3) && (cpu.Context->Mode & ModeBits.Virtual8086) == 0
        || (cpu.State.Rflags & RFlags.IOPL) == RFlags.IOPL
        || cpu.RaiseGeneralProtection();

    private static void Sti(X86Cpu cpu, Op* op)
    {
        if (!MayChangeInterrupts(cpu))
        {
            return;
        }

        if ((cpu.State.Rflags & RFlags.IF) == 0)
        {
            cpu.State.Rflags |= RFlags.IF;
            cpu.State.Shadow = InterruptShadow.Sti;
        }
    }

    private static void Cli(X86Cpu cpu, Op* op)
    {
        if (MayChangeInterrupts(cpu))
        {
            cpu.State.Rflags &= ~RFlags.IF;
        }
    }

    private static void Stac(X86Cpu cpu, Op* op) => SetAlignmentFlag(cpu, RFlags.AC);

    private static void Clac(X86Cpu cpu, Op* op) => SetAlignmentFlag(cpu, 0);

    private static void SetAlignmentFlag(X86Cpu cpu, ulong value)
    {
        if (cpu.Cpl != 0)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
            return;
        }

        cpu.State.Rflags = (cpu.State.Rflags & ~RFlags.AC) | value;
        cpu.SelectTlb();
    }

    private static int FlagsSize(Op* op) => (Mnemonic)op->Mnemonic switch
    {
        Mnemonic.Pushf or Mnemonic.Popf => 2,
        Mnemonic.Pushfd or Mnemonic.Popfd => 4,
        _ => 8,
    };

    /// <summary>In virtual-8086 mode PUSHF and POPF need IOPL 3.</summary>
    private static bool MayTouchFlags(X86Cpu cpu) =>
        (cpu.Context->Mode & ModeBits.Virtual8086) == 0
        || (cpu.State.Rflags & RFlags.IOPL) == RFlags.IOPL
        || cpu.RaiseGeneralProtection();

    private static void PushFlags(X86Cpu cpu, Op* op)
    {
        if (MayTouchFlags(cpu))
        {
            cpu.TryPush(cpu.Rflags & ~(RFlags.VM | RFlags.RF), FlagsSize(op));
        }
    }

    private static void PopFlags(X86Cpu cpu, Op* op)
    {
        int size = FlagsSize(op);
        if (!MayTouchFlags(cpu) || !cpu.TryPop(size, out ulong value))
        {
            return;
        }

        ulong mask = RFlags.Arithmetic | RFlags.TF | RFlags.DF | RFlags.NT | RFlags.AC | RFlags.ID;
        bool real = (cpu.Context->Mode & ModeBits.Protected) == 0;
        if (real || cpu.Cpl <= (int)((cpu.State.Rflags >> 12) & 3))
        {
            mask |= RFlags.IF;
        }

        if (real || cpu.Cpl == 0)
        {
            mask |= RFlags.IOPL;
        }

        cpu.WriteFlags(value, size == 2 ? mask & 0xFFFF : mask);
        cpu.State.Rflags &= ~RFlags.RF;
    }
}
