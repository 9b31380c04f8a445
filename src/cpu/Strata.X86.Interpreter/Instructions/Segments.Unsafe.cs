using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>Segment registers: loads, stores, checks of selectors.</summary>
internal static unsafe class SegmentInstructions
{
    public static void Register(InstructionTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_rm16_Sreg, Code.Mov_r32m16_Sreg, Code.Mov_r64m16_Sreg])
        {
            table.Add(code, &MoveFromSegment);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Mov_Sreg_rm16, Code.Mov_Sreg_r32m16, Code.Mov_Sreg_r64m16])
        {
            table.AddEnding(code, &MoveToSegment);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[
            Code.Pushw_ES, Code.Pushw_CS, Code.Pushw_SS, Code.Pushw_DS, Code.Pushw_FS, Code.Pushw_GS,
            Code.Pushd_ES, Code.Pushd_CS, Code.Pushd_SS, Code.Pushd_DS, Code.Pushd_FS, Code.Pushd_GS, Code.Pushq_FS, Code.Pushq_GS])
        {
            table.Add(code, &PushSegment);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[
            Code.Popw_ES, Code.Popw_SS, Code.Popw_DS, Code.Popw_FS, Code.Popw_GS,
            Code.Popd_ES, Code.Popd_SS, Code.Popd_DS, Code.Popd_FS, Code.Popd_GS, Code.Popq_FS, Code.Popq_GS])
        {
            table.AddEnding(code, &PopSegment);
        }

        table.AddEnding(Mnemonic.Lds, &LoadPointer);
        table.AddEnding(Mnemonic.Les, &LoadPointer);
        table.AddEnding(Mnemonic.Lss, &LoadPointer);
        table.AddEnding(Mnemonic.Lfs, &LoadPointer);
        table.AddEnding(Mnemonic.Lgs, &LoadPointer);
        table.AddEnding(Mnemonic.Swapgs, &Swapgs);
        table.Add(Mnemonic.Lar, &Lar);
        table.Add(Mnemonic.Lsl, &Lsl);
        table.Add(Mnemonic.Verr, &Verr);
        table.Add(Mnemonic.Verw, &Verw);
        table.Add(Mnemonic.Arpl, &Arpl);
    }

    private static void MoveFromSegment(X86Cpu cpu, Op* op)
    {
        ulong selector = cpu.State.Segment((SegmentIndex)op->Reg1).Selector;
        Operands.TryWrite(cpu, op, 0, op->Kind0 == OperandKind.Memory ? 2 : op->Width, selector);
    }

    private static void MoveToSegment(X86Cpu cpu, Op* op)
    {
        if (op->Reg0 == (ushort)SegmentIndex.Cs)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
        }
        else if (Operands.TryRead(cpu, op, 1, 2, out ulong selector))
        {
            Load(cpu, (SegmentIndex)op->Reg0, (ushort)selector);
        }
    }

    /// <summary>A load of SS holds interrupts and debug traps off for one instruction.</summary>
    private static bool Load(X86Cpu cpu, SegmentIndex index, ushort selector)
    {
        if (!cpu.TryLoadSegment(index, selector))
        {
            return false;
        }

        if (index == SegmentIndex.Ss)
        {
            cpu.State.Shadow = InterruptShadow.MovSs;
        }

        return true;
    }

    private static void PushSegment(X86Cpu cpu, Op* op)
    {
        // A 32- or 64-bit push of a selector writes only 16 bits on current processors, zero-extended on older ones; zero-extend.
        cpu.TryPush(cpu.State.Segment((SegmentIndex)op->Reg0).Selector, op->OperandSize);
    }

    private static void PopSegment(X86Cpu cpu, Op* op)
    {
        ulong rsp = cpu.Register(Gpr.Rsp);
        if (!cpu.TryPop(op->OperandSize, out ulong selector))
        {
            return;
        }

        ulong popped = cpu.Register(Gpr.Rsp);
        cpu.Register(Gpr.Rsp) = rsp;
        if (Load(cpu, (SegmentIndex)op->Reg0, (ushort)selector))
        {
            cpu.Register(Gpr.Rsp) = popped;
        }
    }

    private static void LoadPointer(X86Cpu cpu, Op* op)
    {
        int size = op->Width;
        if (!Operands.TryLinear(cpu, op, size + 2, AccessKind.Read, out ulong va)
            || !cpu.TryRead(va, size, out ulong offset)
            || !cpu.TryRead(va + (ulong)size, 2, out ulong selector))
        {
            return;
        }

        SegmentIndex index = (Mnemonic)op->Mnemonic switch
        {
            Mnemonic.Lds => SegmentIndex.Ds,
            Mnemonic.Les => SegmentIndex.Es,
            Mnemonic.Lss => SegmentIndex.Ss,
            Mnemonic.Lfs => SegmentIndex.Fs,
            _ => SegmentIndex.Gs,
        };
        if (cpu.TryLoadSegment(index, (ushort)selector))
        {
            Operands.WriteGpr(cpu, op->Reg0, size, offset);
        }
    }

    private static void Swapgs(X86Cpu cpu, Op* op)
    {
        if (!cpu.Is64Bit)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
        }
        else if (SystemInstructions.RequireSupervisor(cpu))
        {
            (cpu.State.Gs.Base, cpu.State.KernelGsBase) = (cpu.State.KernelGsBase, cpu.State.Gs.Base);
        }
    }

    /// <summary>Reads the descriptor that LAR, LSL, VERR and VERW look at.</summary>
    /// <returns>False if it is not visible (ZF is then clear) or if a fault is pending.</returns>
    private static bool TryInspect(X86Cpu cpu, Op* op, int operand, out ushort selector, out Descriptor descriptor)
    {
        descriptor = default;
        selector = 0;
        if (!cpu.IsProtected)
        {
            return cpu.Raise(ExceptionVector.InvalidOpcode);
        }

        if (!Operands.TryRead(cpu, op, operand, 2, out ulong value))
        {
            return false;
        }

        selector = (ushort)value;
        return (selector & 0xFFFC) != 0 && cpu.TryReadDescriptor(selector, out descriptor);
    }

    private static void SetZero(X86Cpu cpu, bool zero) =>
        cpu.Rflags = zero ? cpu.Rflags | RFlags.ZF : cpu.Rflags & ~RFlags.ZF;

    private static bool IsVisible(X86Cpu cpu, ushort selector, Descriptor descriptor) =>
        descriptor.IsConforming || (descriptor.Dpl >= cpu.Cpl && descriptor.Dpl >= (selector & 3));

    private static void Lar(X86Cpu cpu, Op* op)
    {
        bool ok = TryInspect(cpu, op, 1, out ushort selector, out Descriptor d);
        if (cpu.Context->PendingException != 0)
        {
            return;
        }

        ok = ok && IsVisible(cpu, selector, d) && (!d.IsSystem || (cpu.IsLongMode
            ? d.Type is Descriptor.TypeLdt or Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy or Descriptor.TypeCallGate
            : d.Type is 1 or 2 or 3 or 4 or 5 or 9 or 11 or 12));
        if (ok)
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, (d.Raw >> 32) & 0x00FFFF00);
        }

        SetZero(cpu, ok);
    }

    private static void Lsl(X86Cpu cpu, Op* op)
    {
        bool ok = TryInspect(cpu, op, 1, out ushort selector, out Descriptor d);
        if (cpu.Context->PendingException != 0)
        {
            return;
        }

        ok = ok && IsVisible(cpu, selector, d) && (!d.IsSystem || (cpu.IsLongMode
            ? d.Type is Descriptor.TypeLdt or Descriptor.TypeTssAvailable or Descriptor.TypeTssBusy
            : d.Type is 1 or 2 or 3 or 9 or 11));
        if (ok)
        {
            Operands.WriteGpr(cpu, op->Reg0, op->Width, d.Limit);
        }

        SetZero(cpu, ok);
    }

    private static void Verr(X86Cpu cpu, Op* op)
    {
        bool ok = TryInspect(cpu, op, 0, out ushort selector, out Descriptor d);
        if (cpu.Context->PendingException == 0)
        {
            SetZero(cpu, ok && !d.IsSystem && d.IsReadable && IsVisible(cpu, selector, d));
        }
    }

    private static void Verw(X86Cpu cpu, Op* op)
    {
        bool ok = TryInspect(cpu, op, 0, out ushort selector, out Descriptor d);
        if (cpu.Context->PendingException == 0)
        {
            SetZero(cpu, ok && !d.IsSystem && d.IsWritable && IsVisible(cpu, selector, d));
        }
    }

    private static void Arpl(X86Cpu cpu, Op* op)
    {
        if (!cpu.IsProtected)
        {
            cpu.Raise(ExceptionVector.InvalidOpcode);
            return;
        }

        if (!Operands.TryRead(cpu, op, 0, 2, out ulong destination) || !Operands.TryRead(cpu, op, 1, 2, out ulong source))
        {
            return;
        }

        bool adjust = (destination & 3) < (source & 3);
        if (!adjust || Operands.TryWrite(cpu, op, 0, 2, (destination & ~3UL) | (source & 3)))
        {
            SetZero(cpu, adjust);
        }
    }
}
