using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Flag instructions, conversions, decimal adjustment, BOUND, XLAT and hints.</summary>
internal static unsafe class MiscellaneousInstructions
{
    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.Clc, &Clc);
        table.Add(Mnemonic.Stc, &Stc);
        table.Add(Mnemonic.Cmc, &Cmc);
        table.Add(Mnemonic.Cld, &Cld);
        table.Add(Mnemonic.Std, &Std);
        table.Add(Mnemonic.Lahf, &Lahf);
        table.Add(Mnemonic.Sahf, &Sahf);
        table.Add(Mnemonic.Salc, &Salc);
        table.Add(Mnemonic.Cbw, &Cbw);
        table.Add(Mnemonic.Cwde, &Cwde);
        table.Add(Mnemonic.Cdqe, &Cdqe);
        table.Add(Mnemonic.Cwd, &Cwd);
        table.Add(Mnemonic.Cdq, &Cdq);
        table.Add(Mnemonic.Cqo, &Cqo);
        table.Add(Mnemonic.Xlatb, &Xlat);
        table.Add(Mnemonic.Bound, &Bound);
        table.Add(Mnemonic.Aaa, &Aaa);
        table.Add(Mnemonic.Aas, &Aas);
        table.Add(Mnemonic.Aam, &Aam);
        table.Add(Mnemonic.Aad, &Aad);
        table.Add(Mnemonic.Daa, &Daa);
        table.Add(Mnemonic.Das, &Das);
        // RDSSP without shadow stacks, and prefetches that CPUID does not offer, are NOPs, not #UD: libgcc executes RDSSPQ at every C++
        // exception.
        foreach (Mnemonic hint in (ReadOnlySpan<Mnemonic>)[Mnemonic.Reservednop, Mnemonic.Cldemote, Mnemonic.Serialize, Mnemonic.Rdsspd,
            Mnemonic.Rdsspq, Mnemonic.Prefetchwt1, Mnemonic.Prefetchit0, Mnemonic.Prefetchit1])
        {
            table.Add(hint, &Hint);
        }
    }

    private static void Hint(X86Cpu cpu, Op* op)
    {
    }

    private static void SetCarry(X86Cpu cpu, bool carry) => cpu.Context->LazyAux = LazyFlags.WithCarry(cpu.Context->LazyAux, carry);

    private static void Clc(X86Cpu cpu, Op* op) => SetCarry(cpu, false);

    private static void Stc(X86Cpu cpu, Op* op) => SetCarry(cpu, true);

    private static void Cmc(X86Cpu cpu, Op* op) => SetCarry(cpu, !LazyFlags.Carry(cpu.Context->LazyAux));

    private static void Cld(X86Cpu cpu, Op* op) => cpu.State.Rflags &= ~RFlags.DF;

    private static void Std(X86Cpu cpu, Op* op) => cpu.State.Rflags |= RFlags.DF;

    private const ulong LowFlags = RFlags.SF | RFlags.ZF | RFlags.AF | RFlags.PF | RFlags.CF;

    private static ref byte Ah(X86Cpu cpu) => ref ((byte*)cpu.Context)[1];

    private static ref byte Al(X86Cpu cpu) => ref ((byte*)cpu.Context)[0];

    private static void Lahf(X86Cpu cpu, Op* op) => Ah(cpu) = (byte)((cpu.Rflags & LowFlags) | RFlags.Reserved1);

    private static void Sahf(X86Cpu cpu, Op* op) => cpu.Rflags = (cpu.Rflags & ~LowFlags) | (Ah(cpu) & LowFlags);

    private static void Salc(X86Cpu cpu, Op* op) => Al(cpu) = LazyFlags.Carry(cpu.Context->LazyAux) ? (byte)0xFF : (byte)0;

    private static void Cbw(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, 0, 2, (ulong)(sbyte)Al(cpu));

    private static void Cwde(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, 0, 4, (ulong)(short)cpu.Register(Gpr.Rax));

    private static void Cdqe(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, 0, 8, (ulong)(int)cpu.Register(Gpr.Rax));

    private static void Cwd(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, Gpr.Rdx * 8, 2, (ulong)((short)cpu.Register(Gpr.Rax) >> 15));

    private static void Cdq(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, Gpr.Rdx * 8, 4, (ulong)((int)cpu.Register(Gpr.Rax) >> 31));

    private static void Cqo(X86Cpu cpu, Op* op) => Operands.WriteGpr(cpu, Gpr.Rdx * 8, 8, (ulong)((long)cpu.Register(Gpr.Rax) >> 63));

    private static void Xlat(X86Cpu cpu, Op* op)
    {
        ulong mask = op->AddressSize switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };
        ulong offset = (cpu.Register(Gpr.Rbx) + Al(cpu)) & mask;
        if (cpu.TryReadSegment((SegmentIndex)op->Segment, offset, 1, out ulong value))
        {
            Al(cpu) = (byte)value;
        }
    }

    private static void Bound(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryLinear(cpu, op, size * 2, Paging.AccessKind.Read, out ulong va)
            || !cpu.TryRead(va, size, out ulong low) || !cpu.TryRead(va + (ulong)size, size, out ulong high))
        {
            return;
        }

        long index = Signed(Operands.ReadGpr(cpu, op->Reg0, size), size);
        if (index < Signed(low, size) || index > Signed(high, size))
        {
            cpu.Raise(ExceptionVector.BoundRange);
        }
    }

    private static long Signed(ulong value, int size) => size == 2 ? (short)value : (int)value;

    private static void SetFlags(X86Cpu cpu, byte result, ulong extra) =>
        (cpu.Context->LazyResult, cpu.Context->LazyAux) = LazyFlags.FromRflags(
            (LazyFlags.ToRflags((sbyte)result, 0) & (RFlags.SF | RFlags.ZF | RFlags.PF)) | extra);

    private static void Aaa(X86Cpu cpu, Op* op)
    {
        bool adjust = (Al(cpu) & 0xF) > 9 || (cpu.Rflags & RFlags.AF) != 0;
        ulong ax = cpu.Register(Gpr.Rax) & 0xFFFF;
        ax = adjust ? ax + 0x106 : ax;
        Operands.WriteGpr(cpu, 0, 2, ax & 0xFF0F);
        SetFlags(cpu, Al(cpu), adjust ? RFlags.AF | RFlags.CF : 0);
    }

    private static void Aas(X86Cpu cpu, Op* op)
    {
        bool adjust = (Al(cpu) & 0xF) > 9 || (cpu.Rflags & RFlags.AF) != 0;
        ulong ax = cpu.Register(Gpr.Rax) & 0xFFFF;
        ax = adjust ? ax - 0x106 : ax;
        Operands.WriteGpr(cpu, 0, 2, ax & 0xFF0F);
        SetFlags(cpu, Al(cpu), adjust ? RFlags.AF | RFlags.CF : 0);
    }

    private static void Aam(X86Cpu cpu, Op* op)
    {
        byte divisor = (byte)op->Imm;
        if (divisor == 0)
        {
            cpu.Raise(ExceptionVector.DivideError);
            return;
        }

        byte al = Al(cpu);
        Ah(cpu) = (byte)(al / divisor);
        Al(cpu) = (byte)(al % divisor);
        SetFlags(cpu, Al(cpu), 0);
    }

    private static void Aad(X86Cpu cpu, Op* op)
    {
        byte al = (byte)(Al(cpu) + (Ah(cpu) * (byte)op->Imm));
        Operands.WriteGpr(cpu, 0, 2, al);
        SetFlags(cpu, al, 0);
    }

    private static void Daa(X86Cpu cpu, Op* op)
    {
        byte old = Al(cpu);
        ulong flags = cpu.Rflags;
        ulong extra = 0;
        byte al = old;
        if ((old & 0xF) > 9 || (flags & RFlags.AF) != 0)
        {
            al += 6;
            extra |= RFlags.AF;
        }

        if (old > 0x99 || (flags & RFlags.CF) != 0)
        {
            al += 0x60;
            extra |= RFlags.CF;
        }

        Al(cpu) = al;
        SetFlags(cpu, al, extra);
    }

    private static void Das(X86Cpu cpu, Op* op)
    {
        byte old = Al(cpu);
        ulong flags = cpu.Rflags;
        ulong extra = 0;
        byte al = old;
        if ((old & 0xF) > 9 || (flags & RFlags.AF) != 0)
        {
            extra |= RFlags.AF | (old < 6 ? RFlags.CF : 0);
            al -= 6;
        }

        if (old > 0x99 || (flags & RFlags.CF) != 0)
        {
            al -= 0x60;
            extra |= RFlags.CF;
        }

        Al(cpu) = al;
        SetFlags(cpu, al, extra);
    }
}
