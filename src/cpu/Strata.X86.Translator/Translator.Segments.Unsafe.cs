using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Blocks;
using Strata.X86.Translator.Cache;

namespace Strata.X86.Translator;

/// <summary>What the interpreter's loads of segment registers teach translated code: see <see cref="SegmentMemo"/>.</summary>
public sealed unsafe partial class Translator
{
    private const int FirstSelector = 4; // those below are null
    private const int TableIndicator = 4;

    /// <summary>After a load of a segment register that translated code has left to the interpreter.</summary>
    /// <param name="next">RIP behind the instruction: it is elsewhere if the load has faulted.</param>
    private void NoteSegment(SegmentIndex index, ulong next)
    {
        ref X86CpuState s = ref _context->State;
        SegmentState loaded = s.Segment(index);
        ulong descriptor = 0;
        if (s.Rip != next
            || _context->Cpl != 0
            || _blocks.Mode != CodeMode.Code32
            || (s.EferMsr & Efer.LMA) != 0
            || (loaded.Selector & TableIndicator) != 0
            || (loaded.Selector >= FirstSelector && !TryFindDescriptor(loaded, out descriptor)))
        {
            return;
        }

        SegmentMemo* memo = (SegmentMemo*)_bridge->SegmentMemos + SegmentMemo.IndexOf(loaded.Selector);
        uint key = loaded.Selector | (uint)SegmentMemo.KeyBit;
        uint known = memo->Key == key && memo->Descriptor == descriptor ? memo->Uses : 0;
        uint uses = (1u << (int)SegmentIndex.Fs) | (1u << (int)SegmentIndex.Gs);
        if (index is SegmentIndex.Es or SegmentIndex.Ds)
        {
            uses |= (1u << (int)SegmentIndex.Es) | (1u << (int)SegmentIndex.Ds); // code is translated as before: it is flat
        }

        *memo = new SegmentMemo
        {
            Key = key,
            Uses = known | uses | (IsPlain(loaded) ? (uint)SegmentMemo.Plain : 0),
            Descriptor = descriptor,
            Segment = loaded,
        };
    }

    /// <summary>The descriptor that a segment register was just loaded from.</summary>
    /// <returns>False if the GDT has another one for its selector by now.</returns>
    private bool TryFindDescriptor(in SegmentState loaded, out ulong raw)
    {
        ref X86CpuState s = ref _context->State;
        ulong cr2 = s.Cr2;
        if (!Cpu.TryReadSystem(s.Gdtr.Base + (loaded.Selector & 0xFFF8UL), sizeof(ulong), out raw))
        {
            _context->PendingException = 0;
            s.Cr2 = cr2;
            return false;
        }

        SegmentState found = new Descriptor(raw).ToSegment(loaded.Selector);
        return (found.Base, found.Limit, found.Attributes) == (loaded.Base, loaded.Limit, loaded.Attributes);
    }
}
