using System.Runtime.CompilerServices;
using Strata.X86.Execution;
using Strata.X86.Floating;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Interpreter.Instructions;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Vex;

/// <summary>
/// AVX and what came with it: every encoding that reads sources and writes a result is executed here, by its line of
/// <see cref="VexTable"/>. Intel SDM Vol. 1, "Programming with Intel AVX, FMA, and Intel AVX2".
/// </summary>
internal static unsafe class VexInstructions
{
    private const ulong AvxState = 6; // XCR0: SSE and AVX

    public static void Register(InstructionTable table)
    {
        foreach (Iced.Intel.Mnemonic mnemonic in VexTable.Mnemonics)
        {
            table.Add(mnemonic, &Execute);
        }

        VexStateInstructions.Register(table);
        VexMaskedInstructions.Register(table);
        VexGatherInstructions.Register(table);
    }

    /// <summary>#UD outside of protected mode and where the system has not turned AVX on, #NM after a task switch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Begin(X86Cpu cpu)
    {
        if (!cpu.IsProtected || (cpu.State.Cr4 & Cr4.OSXSAVE) == 0 || (cpu.State.Xcr0 & AvxState) != AvxState)
        {
            return cpu.Raise(ExceptionVector.InvalidOpcode);
        }

        return (cpu.State.Cr0 & Cr0.TS) == 0 || cpu.Raise(ExceptionVector.DeviceNotAvailable);
    }

    /// <summary>Writes a vector register whole: what the instruction does not give is zero.</summary>
    public static void WriteRegister(X86Cpu cpu, ushort offset, byte* value, int length)
    {
        byte* at = (byte*)cpu.Context + offset;
        Unsafe.CopyBlockUnaligned(at, value, 16);
        if (length == VexOperands.RegisterSize)
        {
            Unsafe.CopyBlockUnaligned(at + 16, value + 16, 16);
            cpu.Context->UppersInUse = 1;
        }
        else
        {
            Unsafe.InitBlockUnaligned(at + 16, 0, 16);
        }
    }

    private static void Execute(X86Cpu cpu, Op* op)
    {
        VexForm form = VexTable.FormOf((Iced.Intel.Code)op->Code);
        if (form.Kernel == 0)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
            return;
        }

        if (!Begin(cpu))
        {
            return;
        }

        VexOperands o = default;
        o.Length = form.Length;
        o.IsWide = form.IsWide;
        o.Immediate = (byte)op->Imm;
        o.Float = FloatContext.FromMxcsr(cpu.State.Mxcsr);
        ulong va = 0;
        if (!TryReadSources(cpu, op, form, &o) || (op->Kind0 == OperandKind.Memory && !TryProbe(cpu, op, form, out va)))
        {
            return;
        }

        ((delegate*<VexOperands*, void>)form.Kernel)(&o);
        if (!Simd.Post(cpu, o.Float))
        {
            return;
        }

        if ((form.Traits & VexTraits.Compares) != 0)
        {
            (cpu.Context->LazyResult, cpu.Context->LazyAux) = LazyFlags.FromRflags(o.Flags);
            return;
        }

        Write(cpu, op, va, o.R);
    }

    private static bool TryReadSources(X86Cpu cpu, Op* op, VexForm form, VexOperands* o)
    {
        byte* to = o->A;
        int first = 1;
        if ((form.Traits & VexTraits.Compares) != 0)
        {
            first = 0;
        }
        else if (op->Kind0 == OperandKind.Vector)
        {
            Unsafe.CopyBlockUnaligned(o->D, (byte*)cpu.Context + op->Reg0, VexOperands.RegisterSize);
        }

        for (int i = first; i < 4; i++)
        {
            switch (Operands.Kind(op, i))
            {
                case OperandKind.Vector:
                    Unsafe.CopyBlockUnaligned(to, (byte*)cpu.Context + Operands.Reg(op, i), VexOperands.RegisterSize);
                    break;
                case OperandKind.Gpr:
                    *(ulong*)to = Operands.ReadGpr(cpu, Operands.Reg(op, i), 8);
                    break;
                case OperandKind.Memory:
                    if (!TryLoad(cpu, op, to, op->MemorySize, (form.Traits & VexTraits.Aligned) != 0))
                    {
                        return false;
                    }

                    o->IsFromMemory = true;
                    break;
                default:
                    continue; // none, or the immediate
            }

            o->Count++;
            to += VexOperands.RegisterSize;
        }

        return true;
    }

    private static bool TryLoad(X86Cpu cpu, Op* op, byte* to, int size, bool aligned) =>
        TryAddress(cpu, op, size, aligned, AccessKind.Read, out ulong va)
        && cpu.TryReadBytes(va, to, size, Operands.IsStack(op));

    private static bool TryAddress(X86Cpu cpu, Op* op, int size, bool aligned, AccessKind kind, out ulong va) =>
        Operands.TryLinear(cpu, op, size, kind, out va)
        && (!aligned || (va & (ulong)(size - 1)) == 0 || cpu.RaiseGeneralProtection());

    /// <summary>Before the kernel runs, as MXCSR is not to change if the store faults.</summary>
    private static bool TryProbe(X86Cpu cpu, Op* op, VexForm form, out ulong va)
    {
        bool aligned = (form.Traits & VexTraits.Aligned) != 0;
        return TryAddress(cpu, op, op->MemorySize, aligned, AccessKind.Write, out va)
            && cpu.ProbeWrite(va, op->MemorySize, Operands.IsStack(op));
    }

    private static void Write(X86Cpu cpu, Op* op, ulong va, byte* result)
    {
        switch (op->Kind0)
        {
            case OperandKind.Vector:
                WriteRegister(cpu, op->Reg0, result, op->Width);
                break;
            case OperandKind.Memory:
                cpu.TryWriteBytes(va, result, op->MemorySize, Operands.IsStack(op));
                break;
            default:
                Operands.WriteGpr(cpu, op->Reg0, 8, *(ulong*)result);
                break;
        }
    }
}
