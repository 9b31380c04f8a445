using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Code with segments: real and virtual-8086 mode, 16-bit code, 32-bit code whose segments are not flat. An address is an offset, formed by
/// LEA and cut to its size, which is compared with the segment's end, and then gets the segment's base, from a host register for DS, ES
/// and SS. Where all segments have 64 KiB, as nearly always, a comparison with a constant is left, and of bytes not even that.
/// <para>RIPs of sites are offsets from the base of CS, which is known when a block is translated; where blocks are looked for, it is
/// added.</para>
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int Segment64K = 0x10000;

    /// <summary>The linear address of a RIP.</summary>
    private ulong LinearOf(ulong rip) => _isSegmented ? (uint)(rip + _segment.Base) : rip;

    /// <returns>Whether the instruction was a branch, which ends the block.</returns>
    private bool EmitSegmented(ref HostAssembler a, in DecodedInstruction decoded, byte* code)
    {
        switch (decoded.Traits.Handling)
        {
            case Handling.Lea:
                EmitSegmentedLea(ref a, decoded.Instruction);
                return false;
            case Handling.System:
                EmitSegmentedSystem(ref a, decoded);
                return false;
            case Handling.Push:
                EmitSegmentedPush(ref a, decoded);
                return false;
            case Handling.Pop:
                EmitSegmentedPop(ref a, decoded);
                return false;
            case Handling.Leave:
                EmitSegmentedLeave(ref a, decoded);
                return false;
            case Handling.Divide when SegmentedTraits.OperandBytes(decoded.Instruction) != sizeof(int):
                EmitNarrowDivide(ref a, decoded);
                return false;
            case Handling.Jump:
                EmitSegmentedJump(ref a, decoded);
                return true;
            case Handling.JumpIf when !decoded.Instruction.IsJccShortOrNear:
                EmitLoop(ref a, decoded);
                return true;
            case Handling.Call:
                EmitSegmentedCall(ref a, decoded);
                return true;
            case Handling.Return:
                EmitSegmentedReturn(ref a, decoded);
                return true;
            case Handling.Far:
                EmitFar(ref a, decoded);
                return true;
            default:
                return EmitInstruction(ref a, decoded, code);
        }
    }

    /// <summary>The operand size of 16-bit code is turned round: the host's own needs the prefix for 16 bits.</summary>
    private static void AdjustOperandSize(ref GuestEncoding e, in Instruction instruction)
    {
        OpCodeInfo info = instruction.OpCode;
        if (info.OperandSize != 0 && info.MandatoryPrefix != MandatoryPrefix.P66)
        {
            e.Prefix66 = info.OperandSize == 16;
        }
    }

    private HostOperand EmitSegmentedCheck(
        ref HostAssembler a, in DecodedInstruction decoded, int size, bool write, byte* restart, bool keepScratch2)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        SegmentIndex segment = (SegmentIndex)(instruction.MemorySegment - Register.ES);
        EmitOffset(ref a, instruction);
        EmitToLinear(ref a, instruction.IP, segment, size, write, SegmentedTraits.IsAddress16(instruction));
        Site site = AccessSite(decoded, size, write, segment == SegmentIndex.Ss, restart);
        if (instruction.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32)
        {
            site.FirstSize = (byte)SegmentedTraits.OperandBytes(instruction); // two accesses, each aligned by itself
        }

        return EmitCheck(ref a, AddressForm.Lost, site, keepScratch2);
    }

    /// <summary>The offset of the memory operand in its segment, into Scratch1. Changes no flags.</summary>
    private void EmitOffset(ref HostAssembler a, in Instruction instruction)
    {
        EmitEffectiveAddress(ref a, instruction, Scratch1, wide: false);
        if (SegmentedTraits.IsAddress16(instruction))
        {
            ZeroExtend16(ref a, Scratch1, Scratch1);
        }
    }

    /// <summary>
    /// From an offset in Scratch1 to the linear address; leaves where the segment forbids the access. Uses Scratch2, changes flags.
    /// </summary>
    /// <param name="is16">The offset has 16 bits.</param>
    private void EmitToLinear(ref HostAssembler a, ulong rip, SegmentIndex segment, int size, bool write, bool is16)
    {
        if (!IsOpen(segment, write, is16))
        {
            a.Lea(Scratch2, Scratch1, size);
            a.Op64(CompareMemory, Scratch2, SegmentedHome.Bridge, SegmentedHome.EndOf(segment, write));
            LeaveIf(ref a, HostCondition.Above, new Site { Kind = SiteKind.Interpret, Rip = rip });
        }
        else if (size > 1)
        {
            a.Immediate32(CompareGroup, Scratch1, Segment64K - size, wide: false);
            LeaveIf(ref a, HostCondition.Above, new Site { Kind = SiteKind.Interpret, Rip = rip });
        }

        EmitAddSegmentBase(ref a, segment);
    }

    /// <summary>Whether every offset of one byte is within a segment.</summary>
    private bool IsOpen(SegmentIndex segment, bool write, bool is16) => is16 && _segment.Has(SegmentTraits.Open)
        && (segment is SegmentIndex.Ds or SegmentIndex.Es or SegmentIndex.Ss || (segment == SegmentIndex.Cs && !write));

    /// <summary>Adds a segment's base to Scratch1. Of CS and the three with a register of the host, no flags change.</summary>
    private void EmitAddSegmentBase(ref HostAssembler a, SegmentIndex segment)
    {
        const int add = 0x03;
        switch (segment)
        {
            case SegmentIndex.Cs:
                EmitAddCodeBase(ref a);
                break;
            case SegmentIndex.Fs:
                a.Op32(add, Scratch1, Rsp, Frame.FsBase);
                break;
            case SegmentIndex.Gs:
                a.Op32(add, Scratch1, Rsp, Frame.GsBase);
                break;
            default:
                a.Lea(Scratch1, Scratch1, SegmentedHome.BaseOf(segment), 0, 0, wide: false);
                break;
        }
    }

    private void EmitAddCodeBase(ref HostAssembler a)
    {
        if (_segment.Base != 0)
        {
            a.Lea(Scratch1, Scratch1, HostRegister.None, 0, (int)_segment.Base, wide: false);
        }
    }

    private void EmitSegmentedLea(ref HostAssembler a, in Instruction instruction)
    {
        EmitOffset(ref a, instruction);
        MoveSized(ref a, HomeOf(NumberOf(instruction.Op0Register)), Scratch1, instruction.Op0Register.GetSize());
    }

    /// <summary>DIV and IDIV of 8 and 16 bits. What would raise #DE on the host is left to the interpreter, as in EmitDivide.</summary>
    private void EmitNarrowDivide(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool isByte = instruction.Code is Code.Div_rm8 or Code.Idiv_rm8;
        bool signed = instruction.Mnemonic == Mnemonic.Idiv;
        EmitDivisor(ref a, decoded, isByte);
        Site site = new() { Kind = SiteKind.Interpret, Rip = instruction.IP };
        if (!signed)
        {
            // The quotient fits if the divisor is above the upper half.
            Wide(ref a, 0x89, isByte ? Rax : Rdx, Scratch1, wide: false);
            ZeroExtend16(ref a, Scratch1, Scratch1);
            if (isByte)
            {
                a.Shift64(HostAssembler.ShiftRight, Scratch1, 8);
            }

            Wide(ref a, 0x39, Scratch2, Scratch1, wide: false);
            LeaveIf(ref a, HostCondition.AboveOrEqual, site);
        }
        else
        {
            EmitSignedDividend(ref a, isByte);
            LeaveIf(ref a, HostCondition.NotEqual, site);
            a.Lea(Scratch1, Scratch2, 1);
            Extend(ref a, isByte ? 0xB6 : 0xB7, Scratch1, Scratch1); // 0 and −1 become 1 and 0
            a.Immediate32(CompareGroup, Scratch1, 1, wide: false);
            LeaveIf(ref a, HostCondition.BelowOrEqual, site);
        }

        if (!isByte)
        {
            a.Byte(0x66);
        }

        a.Byte(0x41);
        a.Byte(isByte ? 0xF6 : 0xF7);
        a.Byte(0xC0 | ((signed ? 7 : 6) << 3) | (Scratch2 & 7));
        _flagsInHost = true;
        _flagsInFrame = false;
    }

    /// <summary>The divisor into Scratch2, zero-extended.</summary>
    private void EmitDivisor(ref HostAssembler a, in DecodedInstruction decoded, bool isByte)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out _);
            LoadZeroExtended(ref a, Scratch2, operand, isByte ? 1 : 2);
            return;
        }

        PreserveFlags(ref a, decoded);
        Register register = instruction.Op0Register;
        a.Move(Scratch2, HomeOf(NumberOf(register)));
        if (register is Register.AH or Register.BH or Register.CH or Register.DH)
        {
            a.Shift64(HostAssembler.ShiftRight, Scratch2, 8);
        }

        Extend(ref a, isByte ? 0xB6 : 0xB7, Scratch2, Scratch2);
    }

    /// <summary>Compares the dividend with its lower half, sign-extended: the quotient then fits, but for divisors 0 and −1.</summary>
    private static void EmitSignedDividend(ref HostAssembler a, bool isByte)
    {
        if (isByte)
        {
            Extend(ref a, 0xBE, Scratch1, Rax); // movsx r14d, al
            a.Byte(0x66);
            Wide(ref a, 0x39, Rax, Scratch1, wide: false);
            return;
        }

        Extend(ref a, 0xBF, Scratch1, Rax); // movsx r14d, ax
        Shift31(ref a, Scratch1, wide: false);
        a.Byte(0x66);
        Wide(ref a, 0x39, Rdx, Scratch1, wide: false);
    }

    /// <summary>MOVZX or MOVSX of a register, by the second byte of the opcode.</summary>
    private static void Extend(ref HostAssembler a, int opcode, int to, int from)
    {
        a.Byte(0x40 | ((to >> 3) << 2) | (from >> 3));
        a.Byte(0x0F);
        a.Byte(opcode);
        a.Byte(0xC0 | ((to & 7) << 3) | (from & 7));
    }

    private static void ZeroExtend16(ref HostAssembler a, int to, int from) => Extend(ref a, 0xB7, to, from);

    /// <summary>MOV of 2 or 4 bytes; the former leave the rest of the register alone.</summary>
    private static void MoveSized(ref HostAssembler a, int to, int from, int bytes)
    {
        if (bytes == 2)
        {
            a.Byte(0x66);
        }

        Wide(ref a, 0x89, from, to, wide: false);
    }

    /// <summary>A register's low 2 or 4 bytes into a scratch register, zero-extended.</summary>
    private static void CopySized(ref HostAssembler a, int to, int from, int bytes)
    {
        if (bytes == 2)
        {
            ZeroExtend16(ref a, to, from);
        }
        else
        {
            Wide(ref a, 0x89, from, to, wide: false);
        }
    }

    /// <summary>1, 2 or 4 bytes of memory into a register, zero-extended.</summary>
    private static void LoadZeroExtended(ref HostAssembler a, int register, in HostOperand operand, int bytes)
    {
        if (bytes == 4)
        {
            a.Op(0x8B, register, operand, wide: false);
            return;
        }

        a.Byte(0x40 | ((register >> 3) << 2) | operand.Rex);
        a.Byte(0x0F);
        a.Byte(bytes == 1 ? 0xB6 : 0xB7);
        a.Memory(register, operand);
    }

    /// <summary>MOV between a register and 2 or 4 bytes of memory.</summary>
    private static void AccessSized(ref HostAssembler a, int opcode, int register, in HostOperand operand, int bytes)
    {
        if (bytes == 2)
        {
            a.Byte(0x66);
        }

        a.Op(opcode, register, operand, wide: false);
    }
}
