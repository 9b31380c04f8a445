using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Segment registers of code with segments, and its system instructions. In real and virtual-8086 mode a load has no condition: the
/// selector and sixteen times it go to the state.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int ParagraphBits = 4;

    /// <summary>What a load in real mode leaves of the attributes, and what it makes of the others.</summary>
    private const uint KeptInReal = SegmentState.Big | SegmentState.Granularity;
    private const uint DataAttributes =
        SegmentState.Present | SegmentState.NonSystem | SegmentState.ReadableOrWritable | SegmentState.Accessed;

    private const uint VirtualAttributes = DataAttributes | (3 << SegmentState.DplShift);

    private void EmitSegmentedSystem(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        PreserveFlags(ref a, decoded);
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov when SegmentedTraits.IsSegmentLoad(instruction):
                EmitSegmentedLoad(ref a, decoded);
                break;
            case Mnemonic.Les or Mnemonic.Lds or Mnemonic.Lss or Mnemonic.Lfs or Mnemonic.Lgs:
                EmitLoadPointer(ref a, decoded);
                break;
            case Mnemonic.Pop:
                int bytes = SegmentedTraits.OperandBytes(instruction);
                LoadZeroExtended(ref a, Scratch1, EmitStackCheck(ref a, decoded, GuestRsp, 0, bytes, write: false), bytes: 2);
                EmitRealLoad(ref a, (SegmentIndex)(instruction.Op0Register - Register.ES));
                SetSegmentedStack(ref a, GuestRsp, bytes);
                break;
            case Mnemonic.Push:
                EmitSegmentedPushSegment(ref a, decoded);
                break;
            case Mnemonic.Pusha or Mnemonic.Pushad:
                EmitPushAll(ref a, decoded);
                break;
            case Mnemonic.Popa or Mnemonic.Popad:
                EmitPopAll(ref a, decoded);
                break;
            case Mnemonic.Pushf or Mnemonic.Pushfd:
                EmitSegmentedPushFlags(ref a, decoded);
                break;
            case Mnemonic.Popf or Mnemonic.Popfd:
                EmitSegmentedPopFlags(ref a, decoded);
                break;
            default:
                EmitSystem(ref a, decoded); // MOV from a segment register, CLI, STI, CLD, RDTSC
                break;
        }
    }

    private void EmitSegmentedLoad(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        if (instruction.Op1Kind == OpKind.Memory)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out _);
            LoadZeroExtended(ref a, Scratch1, operand, bytes: 2);
        }
        else
        {
            ZeroExtend16(ref a, Scratch1, HomeOf(NumberOf(instruction.Op1Register)));
        }

        EmitRealLoad(ref a, (SegmentIndex)(instruction.Op0Register - Register.ES));
    }

    /// <summary>LES and its kin: an offset, and the selector behind it.</summary>
    private void EmitLoadPointer(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = SegmentedTraits.OperandBytes(instruction);
        HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: true, out _);
        LoadZeroExtended(ref a, Scratch2, operand with { Displacement = bytes }, bytes: 2);
        a.StoreFrame(Frame.Temporary, Scratch2);
        AccessSized(ref a, LoadFromMemory, HomeOf(NumberOf(instruction.Op0Register)), operand, bytes);
        a.LoadFrame(Scratch1, Frame.Temporary);
        EmitRealLoad(ref a, (SegmentIndex)(SegmentedTraits.LoadedBy(instruction) - Register.ES));
    }

    private void EmitSegmentedPushSegment(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        SegmentIndex index = (SegmentIndex)(decoded.Instruction.Op0Register - Register.ES);
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -bytes, bytes, write: true);
        LoadSegmentedContext(ref a);
        LoadSelector(ref a, Scratch2, Scratch2, SegmentedHome.OffsetOf(index) + SegmentedHome.Selector);
        AccessSized(ref a, StoreToMemory, Scratch2, place, bytes);
        SetSegmentedStack(ref a, GuestRsp, -bytes);
    }

    /// <summary>Loads the selector in Scratch1, zero-extended, as real and virtual-8086 mode do. Uses both scratch registers.</summary>
    private void EmitRealLoad(ref HostAssembler a, SegmentIndex index)
    {
        int at = SegmentedHome.OffsetOf(index);
        LoadSegmentedContext(ref a);
        a.Byte(0x66);
        a.Op32(StoreToMemory, Scratch1, Scratch2, at + SegmentedHome.Selector);
        EmitRealAttributes(ref a, at, DataAttributes);
        a.Shift64(HostAssembler.ShiftLeft, Scratch1, ParagraphBits);
        a.Store(Scratch2, at + SegmentedHome.Base, Scratch1);
        switch (index)
        {
            case SegmentIndex.Fs:
                a.StoreFrame(Frame.FsBase, Scratch1);
                a.Store(SegmentedHome.Bridge, Bridge.OffsetOf(nameof(Bridge.FsBase)), Scratch1);
                break;
            case SegmentIndex.Gs:
                a.StoreFrame(Frame.GsBase, Scratch1);
                break;
            default:
                a.Move(SegmentedHome.BaseOf(index), Scratch1);
                break;
        }

        if (index is SegmentIndex.Fs or SegmentIndex.Gs || _segment.Has(SegmentTraits.Virtual))
        {
            a.Op32(LoadFromMemory, Scratch1, Scratch2, at + SegmentedHome.Limit);
            a.Lea(Scratch1, Scratch1, 1);
            a.Store(SegmentedHome.Bridge, SegmentedHome.EndOf(index, write: false), Scratch1);
            a.Store(SegmentedHome.Bridge, SegmentedHome.EndOf(index, write: true), Scratch1);
        }
    }

    /// <summary>
    /// Attributes of the segment register at an offset in the state, which Scratch2 points to; in virtual-8086 mode its limit, too.
    /// </summary>
    private void EmitRealAttributes(ref HostAssembler a, int at, uint attributes)
    {
        if (_segment.Has(SegmentTraits.Virtual))
        {
            a.StoreDword(Scratch2, at + SegmentedHome.Attributes, (int)VirtualAttributes);
            a.StoreDword(Scratch2, at + SegmentedHome.Limit, (int)CodeSegment.RealLimit);
            return;
        }

        EmitOnMemory(ref a, AndImmediate, Scratch2, at + SegmentedHome.Attributes, (int)KeptInReal);
        EmitOnMemory(ref a, OrImmediate, Scratch2, at + SegmentedHome.Attributes, (int)attributes);
    }

    /// <summary>A group-1 operation of 32 bits on memory at a register above 7.</summary>
    private static void EmitOnMemory(ref HostAssembler a, int operation, int @base, int displacement, int value)
    {
        a.Byte(0x41);
        a.Byte(0x81);
        a.Memory(operation, @base, displacement);
        a.Dword(value);
    }
}
