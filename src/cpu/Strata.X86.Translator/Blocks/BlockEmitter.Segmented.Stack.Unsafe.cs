using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>The stack of code with segments: SP or ESP, slots of two or four bytes.</summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int LoadFromMemory = 0x8B;
    private const int StoreToMemory = 0x89;
    private const int AllRegisters = 8;

    private bool IsStack16 => !_segment.Has(SegmentTraits.Stack32);

    /// <summary>Checks bytes of the stack at a register. The operand is in Scratch1 alone.</summary>
    private HostOperand EmitStackCheck(
        ref HostAssembler a, in DecodedInstruction decoded, int register, int displacement, int bytes, bool write, byte* restart = null) =>
        EmitStackCheck(ref a, decoded, register, displacement, AccessSite(decoded, bytes, write, stack: true, restart));

    /// <inheritdoc cref="EmitStackCheck(ref HostAssembler, in DecodedInstruction, int, int, int, bool, byte*)"/>
    private HostOperand EmitStackCheck(ref HostAssembler a, in DecodedInstruction decoded, int register, int displacement, Site site)
    {
        PreserveFlags(ref a, decoded);
        site.Resume = site.Resume == null ? a.At : site.Resume;
        a.Lea(Scratch1, register, HostRegister.None, 0, displacement, wide: false);
        if (IsStack16)
        {
            ZeroExtend16(ref a, Scratch1, Scratch1);
        }

        EmitToLinear(ref a, decoded.Instruction.IP, SegmentIndex.Ss, site.Size, site.IsWrite, IsStack16);
        return EmitCheck(ref a, AddressForm.Lost, site, keepScratch2: true);
    }

    /// <summary>SP or ESP, from a register. Uses Scratch2; changes no flags.</summary>
    private void SetSegmentedStack(ref HostAssembler a, int from, int displacement)
    {
        if (IsStack16)
        {
            a.Lea(Scratch2, from, HostRegister.None, 0, displacement, wide: false);
            MoveSized(ref a, GuestRsp, Scratch2, 2);
        }
        else
        {
            a.Lea(GuestRsp, from, HostRegister.None, 0, displacement, wide: false);
        }
    }

    private void EmitSegmentedPush(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = SegmentedTraits.OperandBytes(instruction);
        byte* restart = null;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out restart);
            LoadZeroExtended(ref a, Scratch1, operand, bytes);
            a.StoreFrame(Frame.Temporary, Scratch1);
        }

        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -bytes, bytes, write: true, restart);
        switch (instruction.Op0Kind)
        {
            case OpKind.Register:
                AccessSized(ref a, StoreToMemory, HomeOf(NumberOf(instruction.Op0Register)), place, bytes);
                break;
            case OpKind.Memory:
                a.LoadFrame(Scratch2, Frame.Temporary);
                AccessSized(ref a, StoreToMemory, Scratch2, place, bytes);
                break;
            default:
                StoreConstant(ref a, place, (int)instruction.GetImmediate(0), bytes);
                break;
        }

        SetSegmentedStack(ref a, GuestRsp, -bytes);
    }

    private static void StoreConstant(ref HostAssembler a, in HostOperand place, int value, int bytes)
    {
        AccessSized(ref a, 0xC7, 0, place, bytes);
        if (bytes == 2)
        {
            a.Byte(value);
            a.Byte(value >> 8);
        }
        else
        {
            a.Dword(value);
        }
    }

    private void EmitSegmentedPop(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, 0, bytes, write: false);
        int home = HomeOf(NumberOf(decoded.Instruction.Op0Register));
        if (home == GuestRsp)
        {
            LoadZeroExtended(ref a, Scratch1, place, bytes);
            SetSegmentedStack(ref a, GuestRsp, bytes);
            MoveSized(ref a, GuestRsp, Scratch1, bytes);
            return;
        }

        AccessSized(ref a, LoadFromMemory, home, place, bytes);
        SetSegmentedStack(ref a, GuestRsp, bytes);
    }

    private void EmitSegmentedLeave(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        HostOperand place = EmitStackCheck(ref a, decoded, Rbp, 0, bytes, write: false);
        SetSegmentedStack(ref a, Rbp, bytes);
        AccessSized(ref a, LoadFromMemory, Rbp, place, bytes);
    }

    /// <summary>PUSHA, with one check; what does not lie in one piece within the segment and a page is the interpreter's.</summary>
    private void EmitPushAll(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        Site site = SiteOfAll(decoded, bytes, write: true) with { First = (byte)((AllRegisters - 1) * bytes) };
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -AllRegisters * bytes, site);
        for (int guest = 0; guest < AllRegisters; guest++)
        {
            HostOperand slot = place with { Displacement = (AllRegisters - 1 - guest) * bytes };
            AccessSized(ref a, StoreToMemory, HomeOf(guest), slot, bytes);
        }

        SetSegmentedStack(ref a, GuestRsp, -AllRegisters * bytes);
    }

    /// <summary>Of the slots of all registers: where the first one faults, that is the fault.</summary>
    private static Site SiteOfAll(in DecodedInstruction decoded, int bytes, bool write) =>
        AccessSite(decoded, AllRegisters * bytes, write, stack: true, null) with { FirstSize = (byte)bytes };

    private void EmitPopAll(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, 0, SiteOfAll(decoded, bytes, write: false));
        for (int guest = 0; guest < AllRegisters; guest++)
        {
            if (guest != Rsp)
            {
                HostOperand slot = place with { Displacement = (AllRegisters - 1 - guest) * bytes };
                AccessSized(ref a, LoadFromMemory, HomeOf(guest), slot, bytes);
            }
        }

        SetSegmentedStack(ref a, GuestRsp, AllRegisters * bytes);
    }

    /// <summary>PUSHF; not in virtual-8086 mode, where it may fault.</summary>
    private void EmitSegmentedPushFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -bytes, bytes, write: true);
        EmitFlagsImage(ref a);
        AccessSized(ref a, StoreToMemory, Scratch2, place, bytes);
        SetSegmentedStack(ref a, GuestRsp, -bytes);
    }

    /// <summary>RFLAGS into Scratch2, the arithmetic ones from the frame.</summary>
    private static void EmitFlagsImage(ref HostAssembler a)
    {
        a.RestoreFlags();
        a.Byte(0x9C); // pushfq
        a.Byte(0x41); // pop r13
        a.Byte(0x58 | (Scratch2 & 7));
        a.And32(Scratch2, (int)RFlags.Arithmetic);
        a.Op64(0x0B, Scratch2, Rsp, Frame.SystemFlags);
    }

    private void EmitSegmentedPopFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        RequireKernel(ref a, decoded);
        int bytes = SegmentedTraits.OperandBytes(decoded.Instruction);
        LoadZeroExtended(ref a, Scratch1, EmitStackCheck(ref a, decoded, GuestRsp, 0, bytes, write: false), bytes);
        EmitPlainFlags(ref a, decoded, bytes);
        GateStubs.EmitSplitFlags(ref a);
        SetSegmentedStack(ref a, GuestRsp, bytes);
        _flagsInHost = false;
        _flagsInFrame = true;
    }

    /// <summary>
    /// Makes flags in Scratch1, of 2 or 4 bytes, those that are to be: as EmitPopFlags has it, what is unusual before or behind is the
    /// interpreter's.
    /// </summary>
    private void EmitPlainFlags(ref HostAssembler a, in DecodedInstruction decoded, int bytes)
    {
        a.TestDword(Scratch1, (int)PoppedUnusual);
        LeaveToInterpreter(ref a, decoded);
        a.Byte(0xF7); // test dword [rsp + SystemFlags], imm32
        a.Memory(0, Rsp, Frame.SystemFlags);
        a.Dword((int)PresentUnusual);
        LeaveToInterpreter(ref a, decoded);
        a.TestDword(Scratch1, (int)RFlags.IF);
        byte* masked = a.JumpIf(HostCondition.Equal);
        a.CompareDword(Rsp, Frame.Waiting, 0);
        LeaveToInterpreter(ref a, decoded);
        HostAssembler.Patch(masked, a.At);
        if (bytes == 2)
        {
            const int upper = unchecked((int)0xFFFF_0000);
            a.Op32(LoadFromMemory, Scratch2, Rsp, Frame.SystemFlags);
            a.And32(Scratch2, upper);
            a.Op64(0x09, Scratch2, Scratch1);
        }

        a.And32(Scratch1, (int)PlainFlags);
    }
}
