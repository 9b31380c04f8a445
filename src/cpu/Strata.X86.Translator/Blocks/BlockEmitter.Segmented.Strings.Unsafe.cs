using System.Numerics;
using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>String instructions of code with segments, with SI and DI or ESI and EDI.</summary>
internal sealed unsafe partial class BlockEmitter
{
    /// <summary>What REP finds, and the registers while the host's own instruction has them: slots of the frame.</summary>
    private const int RepeatTarget = Frame.Kept;
    private const int RepeatSource = Frame.Kept + 8;
    private const int RepeatDi = Frame.Kept + 16;
    private const int RepeatSi = Frame.Kept + 24;
    private const int RepeatCount = Frame.Kept + 32;

    /// <summary>Bytes of the registers of a string instruction: 2 or 4.</summary>
    private static int StringAddressBytes(in Instruction instruction)
    {
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) is OpKind.MemorySegSI or OpKind.MemoryESDI)
            {
                return 2;
            }
        }

        return 4;
    }

    private static SegmentIndex StringSegment(in Instruction instruction, int register) =>
        register == Rdi ? SegmentIndex.Es
        : instruction.SegmentPrefix == Register.None ? SegmentIndex.Ds
        : (SegmentIndex)(instruction.SegmentPrefix - Register.ES);

    private HostOperand EmitSegmentedElement(ref HostAssembler a, in DecodedInstruction decoded, int register, bool write, byte* restart)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = StringAddressBytes(instruction);
        int size = instruction.MemorySize.GetSize();
        SegmentIndex segment = StringSegment(instruction, register);
        CopySized(ref a, Scratch1, register, bytes);
        EmitToLinear(ref a, instruction.IP, segment, size, write, bytes == 2);
        return EmitCheck(
            ref a, AddressForm.Lost, AccessSite(decoded, size, write, segment == SegmentIndex.Ss, restart), keepScratch2: true);
    }

    /// <summary>SI, DI or both behind the element. Changes no flags.</summary>
    private static void AdvanceSegmented(ref HostAssembler a, in Instruction instruction, int size)
    {
        int bytes = StringAddressBytes(instruction);
        for (int i = 0; i < instruction.OpCount; i++)
        {
            OpKind kind = instruction.GetOpKind(i);
            if (kind is not OpKind.Register)
            {
                int register = kind is OpKind.MemorySegSI or OpKind.MemorySegESI ? Rsi : Rdi;
                a.Lea(Scratch2, register, size);
                MoveSized(ref a, register, Scratch2, bytes);
            }
        }
    }

    /// <summary>REP STOS and REP MOVS forward, within the segments and one page each for source and destination.</summary>
    private void EmitSegmentedRepeat(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        PreserveFlags(ref a, decoded);
        bool copies = instruction.Mnemonic is Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd;
        int size = instruction.MemorySize.GetSize();
        int bytes = StringAddressBytes(instruction);
        Site site = new() { Kind = SiteKind.Interpret, Rip = instruction.IP };
        RequireForward(ref a, site);
        CopySized(ref a, Scratch1, Rcx, bytes);
        a.Immediate32(CompareGroup, Scratch1, PageSize / size, wide: false);
        LeaveIf(ref a, HostCondition.Above, site);
        a.Immediate32(CompareGroup, Scratch1, 0, wide: false);
        byte* nothing = a.JumpIf(HostCondition.Equal);
        if (copies)
        {
            EmitSegmentedRange(ref a, instruction, Rsi, write: false, RepeatSource);
        }

        EmitSegmentedRange(ref a, instruction, Rdi, write: true, RepeatTarget);
        a.StoreFrame(RepeatDi, Rdi);
        a.StoreFrame(RepeatSi, Rsi);
        a.StoreFrame(RepeatCount, Rcx);
        a.LoadFrame(Rdi, RepeatTarget);
        if (copies)
        {
            a.LoadFrame(Rsi, RepeatSource);
        }

        CopySized(ref a, Rcx, Rcx, bytes);
        if (size == 2)
        {
            a.Byte(0x66);
        }

        a.Byte(0xF3);
        a.Byte((copies ? 0xA4 : 0xAA) | (size == 1 ? 0 : 1));
        EmitAfterRepeat(ref a, bytes, size, copies);
        HostAssembler.Patch(nothing, a.At);
    }

    /// <summary>The guest's registers behind REP: pointers advanced, the count 0.</summary>
    private static void EmitAfterRepeat(ref HostAssembler a, int bytes, int size, bool copies)
    {
        int scale = BitOperations.Log2((uint)size);
        a.LoadFrame(Rcx, RepeatCount);
        CopySized(ref a, Scratch1, Rcx, bytes);
        a.LoadFrame(Rdi, RepeatDi);
        a.Lea(Scratch2, Rdi, Scratch1, scale, 0, wide: true);
        MoveSized(ref a, Rdi, Scratch2, bytes);
        a.LoadFrame(Rsi, RepeatSi);
        if (copies)
        {
            a.Lea(Scratch2, Rsi, Scratch1, scale, 0, wide: true);
            MoveSized(ref a, Rsi, Scratch2, bytes);
        }

        a.LoadConstant(Scratch2, 0);
        MoveSized(ref a, Rcx, Scratch2, bytes);
    }

    /// <summary>
    /// Leaves unless as many elements as CX or ECX says lie at a register, within the segment and one page that the TLB knows; where they
    /// are in the host's memory goes to a slot of the frame.
    /// </summary>
    private void EmitSegmentedRange(ref HostAssembler a, in Instruction instruction, int register, bool write, int slot)
    {
        int bytes = StringAddressBytes(instruction);
        int scale = BitOperations.Log2((uint)instruction.MemorySize.GetSize());
        SegmentIndex segment = StringSegment(instruction, register);
        Site site = new() { Kind = SiteKind.Interpret, Rip = instruction.IP };
        int tag = write ? WriteTag : ReadTag;
        CopySized(ref a, Scratch1, register, bytes);
        CopySized(ref a, Scratch2, Rcx, bytes);
        a.Lea(Scratch2, Scratch1, Scratch2, scale, 0, wide: true);
        if (IsOpen(segment, write, bytes == 2))
        {
            a.Immediate32(CompareGroup, Scratch2, Segment64K, wide: true);
        }
        else
        {
            a.Op64(CompareMemory, Scratch2, SegmentedHome.Bridge, SegmentedHome.EndOf(segment, write));
        }

        LeaveIf(ref a, HostCondition.Above, site);
        EmitAddSegmentBase(ref a, segment);
        a.ShiftedCopy(Scratch2, Scratch1, 7);
        a.And32(Scratch2, OffsetMask);
        a.Op64Indexed(0x2B, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Immediate32(CompareGroup, Scratch1, PageSize - 1, wide: true);
        LeaveIf(ref a, HostCondition.Above, site);
        a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, tag);
        a.Op64Indexed(0x03, Scratch1, HostRegister.Tlb, Scratch2, AddendField);
        a.StoreFrame(slot, Scratch1);
        a.And32(Scratch1, PageSize - 1);
        CopySized(ref a, Scratch2, Rcx, bytes);
        a.Lea(Scratch1, Scratch1, Scratch2, scale, 0, wide: true);
        a.Immediate32(CompareGroup, Scratch1, PageSize, wide: true);
        LeaveIf(ref a, HostCondition.Above, site);
    }
}
