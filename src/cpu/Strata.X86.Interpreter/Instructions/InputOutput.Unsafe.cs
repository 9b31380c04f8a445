using Iced.Intel;
using Strata.Core.Bus;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>IN, OUT, INS and OUTS with the I/O permission rules. Intel SDM Vol. 1, "Input/Output".</summary>
internal static unsafe class InputOutputInstructions
{
    /// <summary>Iterations of a repeated form between two looks at interrupts.</summary>
    private const int BatchIterations = 256;

    public static void Register(InstructionTable table)
    {
        table.Add(Mnemonic.In, &In);
        table.Add(Mnemonic.Out, &Out);
        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Insb, Mnemonic.Insw, Mnemonic.Insd])
        {
            table.AddEnding(mnemonic, &Ins);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Outsb, Mnemonic.Outsw, Mnemonic.Outsd])
        {
            table.AddEnding(mnemonic, &Outs);
        }
    }

    private static void In(X86Cpu cpu, Op* op)
    {
        ushort port = Port(cpu, op, 1);
        if (cpu.CheckPortAccess(port, op->Width))
        {
            cpu.NotePortBreakpoints(port, op->Width);
            Operands.WriteGpr(cpu, op->Reg0, op->Width, cpu.Ports.Read(port, (AccessWidth)op->Width));
        }
    }

    private static void Out(X86Cpu cpu, Op* op)
    {
        ushort port = Port(cpu, op, 0);
        if (cpu.CheckPortAccess(port, op->Width1))
        {
            cpu.NotePortBreakpoints(port, op->Width1);
            cpu.Ports.Write(port, (AccessWidth)op->Width1, (uint)Operands.ReadGpr(cpu, op->Reg1, op->Width1));
        }
    }

    private static ushort Port(X86Cpu cpu, Op* op, int operand) =>
        Operands.Kind(op, operand) == OperandKind.Immediate ? (byte)op->Imm : (ushort)cpu.Register(Gpr.Rdx);

    private static void Ins(X86Cpu cpu, Op* op)
    {
        int size = op->MemorySize;
        ushort port = (ushort)cpu.Register(Gpr.Rdx);
        if (!cpu.CheckPortAccess(port, size))
        {
            return;
        }

        Repeat(cpu, op, Gpr.Rdi, &InsOne);
    }

    private static void Outs(X86Cpu cpu, Op* op)
    {
        if (cpu.CheckPortAccess((ushort)cpu.Register(Gpr.Rdx), op->MemorySize))
        {
            Repeat(cpu, op, Gpr.Rsi, &OutsOne);
        }
    }

    private static bool InsOne(X86Cpu cpu, Op* op, ulong offset)
    {
        int size = op->MemorySize;
        if (!cpu.TrySegmentLinear(SegmentIndex.Es, offset, size, AccessKind.Write, out ulong va) || !cpu.ProbeWrite(va, size))
        {
            return false;
        }

        return cpu.TryWrite(va, size, cpu.Ports.Read((ushort)cpu.Register(Gpr.Rdx), (AccessWidth)size));
    }

    private static bool OutsOne(X86Cpu cpu, Op* op, ulong offset)
    {
        int size = op->MemorySize;
        if (!cpu.TryReadSegment((SegmentIndex)op->Segment, offset, size, out ulong value))
        {
            return false;
        }

        cpu.Ports.Write((ushort)cpu.Register(Gpr.Rdx), (AccessWidth)size, (uint)value);
        return true;
    }

    private static void Repeat(X86Cpu cpu, Op* op, int index, delegate*<X86Cpu, Op*, ulong, bool> one)
    {
        ulong mask = op->AddressSize switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };
        bool repeated = (op->Flags & (OpFlags.Rep | OpFlags.Repne)) != 0;
        ulong step = (cpu.State.Rflags & RFlags.DF) != 0 ? 0UL - op->MemorySize : op->MemorySize;
        for (int i = 0; i < BatchIterations; i++)
        {
            ulong count = cpu.Register(Gpr.Rcx) & mask;
            if (repeated && count == 0)
            {
                return;
            }

            if (!one(cpu, op, cpu.Register(index) & mask))
            {
                return;
            }

            cpu.NotePortBreakpoints((ushort)cpu.Register(Gpr.Rdx), op->MemorySize);
            Advance(ref cpu.Register(index), step, mask);
            if (!repeated)
            {
                return;
            }

            Advance(ref cpu.Register(Gpr.Rcx), ulong.MaxValue, mask);
            if (count == 1)
            {
                return;
            }

            if (cpu.PendingDebugHits != 0 || (cpu.State.Rflags & RFlags.TF) != 0)
            {
                break;
            }
        }

        cpu.ContinueRepeated(); // look at interrupts, then go on
    }

    private static void Advance(ref ulong register, ulong step, ulong mask) =>
        register = mask == ushort.MaxValue ? (register & ~mask) | ((register + step) & mask) : (register + step) & mask;
}
