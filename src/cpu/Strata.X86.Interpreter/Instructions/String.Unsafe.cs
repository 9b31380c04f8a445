using System.Runtime.CompilerServices;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Interpreter.Blocks;
using Strata.X86.Interpreter.Dispatch;
using Strata.X86.Paging;
using Strata.X86.Registers;

namespace Strata.X86.Interpreter.Instructions;

/// <summary>
/// MOVS, STOS, LODS, SCAS and CMPS. Registers advance with each element, so a fault or an interrupt leaves a state from which the
/// instruction goes on. Forward MOVS and STOS inside RAM pages run in bulk.
/// </summary>
internal static unsafe class StringInstructions
{
    /// <summary>Elements between two looks at interrupts.</summary>
    private const int BatchElements = 4096;

    public static void Register(InstructionTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movsb_m8_m8, Code.Movsw_m16_m16, Code.Movsd_m32_m32, Code.Movsq_m64_m64])
        {
            table.Add(code, &Movs);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Stosb, Mnemonic.Stosw, Mnemonic.Stosd, Mnemonic.Stosq])
        {
            table.Add(mnemonic, &Stos);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Lodsb, Mnemonic.Lodsw, Mnemonic.Lodsd, Mnemonic.Lodsq])
        {
            table.Add(mnemonic, &Lods);
        }

        foreach (Mnemonic mnemonic in (ReadOnlySpan<Mnemonic>)[Mnemonic.Scasb, Mnemonic.Scasw, Mnemonic.Scasd, Mnemonic.Scasq])
        {
            table.Add(mnemonic, &Scas);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Cmpsb_m8_m8, Code.Cmpsw_m16_m16, Code.Cmpsd_m32_m32, Code.Cmpsq_m64_m64])
        {
            table.Add(code, &Cmps);
        }
    }

    /// <summary>A piece of a repeated instruction, within a page on each side.</summary>
    /// <param name="To">Offset in ES, as <paramref name="From"/> in its segment.</param>
    /// <param name="Source">Where in the host's memory, or null for no memory.</param>
    internal readonly record struct StringRun(ulong To, ulong From, ulong Elements, nint Source, nint Destination);

    private static ulong MaskOf(Op* op) => op->AddressSize switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };

    private static ulong StepOf(X86Cpu cpu, Op* op) => (cpu.State.Rflags & RFlags.DF) != 0 ? 0UL - op->MemorySize : op->MemorySize;

    private static void Advance(ref ulong register, ulong step, ulong mask) =>
        register = mask == ushort.MaxValue ? (register & ~mask) | ((register + step) & mask) : (register + step) & mask;

    private static bool IsRepeated(Op* op) => (op->Flags & (OpFlags.Rep | OpFlags.Repne)) != 0;

    /// <summary>Runs one element after another until the count is spent, an element says stop, or the batch ends.</summary>
    private static void Repeat(X86Cpu cpu, Op* op, delegate*<X86Cpu, Op*, ulong, bool> one, int batch)
    {
        ulong mask = MaskOf(op);
        if (!IsRepeated(op))
        {
            one(cpu, op, mask);
            return;
        }

        for (int i = 0; i < batch; i++)
        {
            ulong count = cpu.Register(Gpr.Rcx) & mask;
            if (count == 0)
            {
                return;
            }

            bool goOn = one(cpu, op, mask);
            if (cpu.Context->PendingException != 0)
            {
                return;
            }

            Advance(ref cpu.Register(Gpr.Rcx), ulong.MaxValue, mask);
            if (!goOn || count == 1)
            {
                return;
            }

            if (cpu.PendingDebugHits != 0 || (cpu.State.Rflags & RFlags.TF) != 0)
            {
                break;
            }
        }

        cpu.ContinueRepeated();
    }

    private static void Movs(X86Cpu cpu, Op* op)
    {
        if (!IsRepeated(op) || !TryBulk(cpu, op, move: true))
        {
            Repeat(cpu, op, &MovsOne, IsBulkable(cpu, op) ? 1 : BatchElements);
        }
    }

    private static void Stos(X86Cpu cpu, Op* op)
    {
        if (!IsRepeated(op) || !TryBulk(cpu, op, move: false))
        {
            Repeat(cpu, op, &StosOne, IsBulkable(cpu, op) ? 1 : BatchElements);
        }
    }

    private static void Lods(X86Cpu cpu, Op* op) => Repeat(cpu, op, &LodsOne, BatchElements);

    private static void Scas(X86Cpu cpu, Op* op) => Repeat(cpu, op, &ScasOne, BatchElements);

    private static void Cmps(X86Cpu cpu, Op* op) => Repeat(cpu, op, &CmpsOne, BatchElements);

    private static bool MovsOne(X86Cpu cpu, Op* op, ulong mask)
    {
        int size = op->MemorySize;
        if (!cpu.TryReadSegment((SegmentIndex)op->Segment, cpu.Register(Gpr.Rsi) & mask, size, out ulong value)
            || !cpu.TryWriteSegment(SegmentIndex.Es, cpu.Register(Gpr.Rdi) & mask, size, value))
        {
            return false;
        }

        ulong step = StepOf(cpu, op);
        Advance(ref cpu.Register(Gpr.Rsi), step, mask);
        Advance(ref cpu.Register(Gpr.Rdi), step, mask);
        return true;
    }

    private static bool StosOne(X86Cpu cpu, Op* op, ulong mask)
    {
        int size = op->MemorySize;
        if (!cpu.TryWriteSegment(SegmentIndex.Es, cpu.Register(Gpr.Rdi) & mask, size, cpu.Register(Gpr.Rax)))
        {
            return false;
        }

        Advance(ref cpu.Register(Gpr.Rdi), StepOf(cpu, op), mask);
        return true;
    }

    private static bool LodsOne(X86Cpu cpu, Op* op, ulong mask)
    {
        int size = op->MemorySize;
        if (!cpu.TryReadSegment((SegmentIndex)op->Segment, cpu.Register(Gpr.Rsi) & mask, size, out ulong value))
        {
            return false;
        }

        Operands.WriteGpr(cpu, Gpr.Rax * 8, size, value);
        Advance(ref cpu.Register(Gpr.Rsi), StepOf(cpu, op), mask);
        return true;
    }

    private static bool ScasOne(X86Cpu cpu, Op* op, ulong mask)
    {
        int size = op->MemorySize;
        if (!cpu.TryReadSegment(SegmentIndex.Es, cpu.Register(Gpr.Rdi) & mask, size, out ulong value))
        {
            return false;
        }

        Advance(ref cpu.Register(Gpr.Rdi), StepOf(cpu, op), mask);
        return Compare(cpu, op, Operands.ReadGpr(cpu, Gpr.Rax * 8, size), value);
    }

    private static bool CmpsOne(X86Cpu cpu, Op* op, ulong mask)
    {
        int size = op->MemorySize;
        if (!cpu.TryReadSegment((SegmentIndex)op->Segment, cpu.Register(Gpr.Rsi) & mask, size, out ulong first)
            || !cpu.TryReadSegment(SegmentIndex.Es, cpu.Register(Gpr.Rdi) & mask, size, out ulong second))
        {
            return false;
        }

        ulong step = StepOf(cpu, op);
        Advance(ref cpu.Register(Gpr.Rsi), step, mask);
        Advance(ref cpu.Register(Gpr.Rdi), step, mask);
        return Compare(cpu, op, first, second);
    }

    /// <returns>True if REPE or REPNE wants another element.</returns>
    private static bool Compare(X86Cpu cpu, Op* op, ulong a, ulong b)
    {
        int bits = op->MemorySize * 8;
        ulong r = a - b;
        cpu.Context->LazyResult = (long)(r << (64 - bits)) >> (64 - bits);
        cpu.Context->LazyAux = LazyFlags.Sub(a, b, r, bits);
        return (op->Flags & OpFlags.Repne) != 0 ? a != b : a == b;
    }

    /// <summary>Whether pages may be copied or filled whole. Then what is not is served one element at a time.</summary>
    private static bool IsBulkable(X86Cpu cpu, Op* op) => (cpu.State.Rflags & (RFlags.DF | RFlags.TF)) == 0
        && (!IsFlat(cpu) || (op->AddressSize != 2 && op->Segment < (byte)SegmentIndex.Fs));

    private static bool IsFlat(X86Cpu cpu) => (cpu.Context->Mode & ModeBits.Flat) != 0;

    /// <summary>
    /// Copies or fills as much as lies in one page on each side, forward. Each call does at most one page; the instruction then runs again
    /// for the rest.
    /// </summary>
    private static bool TryBulk(X86Cpu cpu, Op* op, bool move)
    {
        if (!IsBulkable(cpu, op))
        {
            return false;
        }

        ulong size = op->MemorySize;
        ulong mask = MaskOf(op);
        ulong count = cpu.Register(Gpr.Rcx) & mask;
        ulong to = cpu.Register(Gpr.Rdi) & mask;
        ulong from = cpu.Register(Gpr.Rsi) & mask;
        ulong elements = FitPage(cpu, SegmentIndex.Es, to, size, mask, count);
        elements = move ? FitPage(cpu, (SegmentIndex)op->Segment, from, size, mask, elements) : elements;
        if (elements == 0)
        {
            return false; // done, or an element that crosses a page
        }

        ulong bytes = elements * size;
        byte* source = move ? FindHost(cpu, (SegmentIndex)op->Segment, from, bytes, AccessKind.Read) : null;
        byte* destination = FindHost(cpu, SegmentIndex.Es, to, bytes, AccessKind.Write);
        if (destination == null || (move && source == null))
        {
            elements = StringDevices.Serve(cpu, op, move, new StringRun(to, from, elements, (nint)source, (nint)destination));
            if (elements == 0)
            {
                return false; // a watched page or a fault: element by element
            }

            bytes = elements * size;
        }
        else if (move)
        {
            CopyForward(destination, source, bytes, size);
        }
        else
        {
            Fill(destination, cpu.Register(Gpr.Rax), bytes, size);
        }

        AdvanceAll(cpu, move, bytes, elements, mask);
        if (count != elements)
        {
            cpu.ContinueRepeated();
        }

        return true;
    }

    private static void AdvanceAll(X86Cpu cpu, bool move, ulong bytes, ulong elements, ulong mask)
    {
        if (move)
        {
            Advance(ref cpu.Register(Gpr.Rsi), bytes, mask);
        }

        Advance(ref cpu.Register(Gpr.Rdi), bytes, mask);
        Advance(ref cpu.Register(Gpr.Rcx), 0UL - elements, mask);
    }

    /// <summary>How many elements at an offset lie in its page, and before the offset wraps.</summary>
    private static ulong FitPage(X86Cpu cpu, SegmentIndex segment, ulong offset, ulong size, ulong mask, ulong count)
    {
        if (IsFlat(cpu))
        {
            return Math.Min(count, (0x1000 - (offset & 0xFFF)) / size);
        }

        ulong linear = cpu.State.Segment(segment).Base + offset;
        return Math.Min(Math.Min(count, (0x1000 - (linear & 0xFFF)) / size), (mask - offset + 1) / size);
    }

    /// <summary>Where bytes of a segment within a page are in the host's memory; null if they cannot be accessed just so.</summary>
    private static byte* FindHost(X86Cpu cpu, SegmentIndex segment, ulong offset, ulong bytes, AccessKind kind)
    {
        ulong va = offset;
        return IsFlat(cpu) || cpu.IsAccessible(segment, offset, (int)bytes, kind, out va) ? cpu.FindHost(va, kind) : null;
    }

    /// <summary>Element-by-element semantics: an overlap with the destination ahead repeats the pattern.</summary>
    private static void CopyForward(byte* destination, byte* source, ulong bytes, ulong size)
    {
        ulong distance = (ulong)(destination - source);
        if (distance >= bytes)
        {
            Buffer.MemoryCopy(source, destination, bytes, bytes);
            return;
        }

        for (ulong i = 0; i < bytes; i += size)
        {
            switch (size)
            {
                case 1:
                    destination[i] = source[i];
                    break;
                case 2:
                    *(ushort*)(destination + i) = *(ushort*)(source + i);
                    break;
                case 4:
                    *(uint*)(destination + i) = *(uint*)(source + i);
                    break;
                default:
                    *(ulong*)(destination + i) = *(ulong*)(source + i);
                    break;
            }
        }
    }

    private static void Fill(byte* destination, ulong value, ulong bytes, ulong size)
    {
        switch (size)
        {
            case 1:
                new Span<byte>(destination, (int)bytes).Fill((byte)value);
                break;
            case 2:
                new Span<ushort>(destination, (int)(bytes / 2)).Fill((ushort)value);
                break;
            case 4:
                new Span<uint>(destination, (int)(bytes / 4)).Fill((uint)value);
                break;
            default:
                new Span<ulong>(destination, (int)(bytes / 8)).Fill(value);
                break;
        }
    }
}
