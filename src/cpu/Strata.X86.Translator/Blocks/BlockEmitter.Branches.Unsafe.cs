using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// The ways from block to block. A direct branch inside the page is linked: while the page's translation stands, so does the
/// target's. A direct branch to another page is linked for as long as the address space's translations stand. Everything else goes
/// through the jump table, whose tags die with them.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int XorMemory = 0x33;
    private const int CompareMemory = 0x3B;

    private void EmitJump(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        Site site = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP };
        if (decoded.IsDirectBranch)
        {
            SaveIfLive(ref a, decoded);
            EmitContinue(ref a, instruction.NearBranchTarget, site);
            return;
        }

        if (instruction.Op0Kind == OpKind.Memory)
        {
            LoadSlot(ref a, Scratch1, EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out _));
        }
        else
        {
            EmitTarget(ref a, instruction.Op0Register);
        }

        SaveIfLive(ref a, decoded);
        EmitDispatch(ref a, site);
    }

    private void EmitJumpIf(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        ProvideFlags(ref a, decoded);
        SaveIfLive(ref a, decoded);
        Site site = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP };
        if (instruction.Code == Code.Jrcxz_rel8_64)
        {
            EmitJumpIfNoCount(ref a, instruction.NearBranchTarget, NextOf(instruction), site);
            return;
        }

        int condition = ConditionOf(instruction);
        EmitBranchIf(ref a, condition, instruction.NearBranchTarget, NextOf(instruction), site);
    }

    /// <summary>Goes on at one of two known addresses, by a condition of the host's flags.</summary>
    private void EmitBranchIf(ref HostAssembler a, int condition, ulong taken, ulong next, in Site site)
    {
        if (IsSamePage(taken))
        {
            LinkFrom(a.JumpIf(condition), taken);
            EmitContinue(ref a, next, site);
            return;
        }

        byte* skip = a.JumpIf(condition ^ 1);
        EmitContinue(ref a, taken, site);
        HostAssembler.Patch(skip, a.At);
        EmitContinue(ref a, next, site);
    }

    /// <summary>JRCXZ: the host's own reaches over two short jumps.</summary>
    private void EmitJumpIfNoCount(ref HostAssembler a, ulong taken, ulong next, Site site)
    {
        a.Byte(0xE3); // jrcxz to the jump behind the next one
        a.Byte(2);
        a.Byte(0xEB); // jmp over that
        a.Byte(5);
        byte* place = a.Jump();
        if (IsSamePage(taken))
        {
            LinkFrom(place, taken);
            EmitContinue(ref a, next, site);
            return;
        }

        EmitContinue(ref a, next, site);
        HostAssembler.Patch(place, a.At);
        EmitContinue(ref a, taken, site);
    }

    /// <summary>
    /// A conditional jump in the middle of a block, which goes on where it is not taken: the host's flags stay as they are.
    /// </summary>
    private void EmitSideExit(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        ulong taken = instruction.NearBranchTarget;
        int notExecuted = _block->Count - _completed - 1;
        ProvideFlags(ref a, decoded);
        if (decoded.LiveTaken != 0)
        {
            SaveFlags(ref a);
        }

        int condition = ConditionOf(instruction);
        bool countsBack = cache.CountInstructions && notExecuted != 0;
        if (IsSamePage(taken) && !countsBack)
        {
            LinkFrom(a.JumpIf(condition), taken);
            return;
        }

        byte* skip = a.JumpIf(condition ^ 1);
        if (countsBack)
        {
            EmitSubtractCount(ref a, -notExecuted); // the head has taken the whole block's
        }

        EmitContinue(ref a, taken, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
        HostAssembler.Patch(skip, a.At);
    }

    /// <summary>Number of a condition in encodings, which Iced's order is.</summary>
    private static int ConditionOf(in Instruction instruction) =>
        (int)instruction.ConditionCode - (int)Iced.Intel.ConditionCode.o;

    private void EmitCall(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool direct = decoded.IsDirectBranch;
        ulong next = NextOf(instruction);
        byte* restart = null;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            EmitLoadTemporary(ref a, decoded, out restart);
        }

        if (!direct && !Is32)
        {
            RequireCanonicalTarget(ref a, decoded);
        }

        bool isShort = !_block->IsRelative && (Is32 || (long)next == (int)next);
        HostOperand place = EmitPushCheck(ref a, decoded, restart, keepScratch2: !isShort);
        if (isShort)
        {
            StoreSlotImmediate(ref a, place, (int)next);
        }
        else
        {
            EmitLoadRip(ref a, Scratch2, next);
            StoreSlot(ref a, place, Scratch2);
        }

        if (instruction.Op0Kind == OpKind.Memory)
        {
            a.LoadFrame(Scratch1, Frame.Temporary);
        }
        else if (!direct)
        {
            EmitTarget(ref a, instruction.Op0Register); // before RSP changes: CALL RSP takes the old one
        }

        MoveStackPointer(ref a, -SlotBytes);
        SaveIfLive(ref a, decoded);
        Site site = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP, StackUndo = SlotBytes };
        if (direct)
        {
            EmitContinue(ref a, instruction.NearBranchTarget, site);
        }
        else
        {
            EmitDispatch(ref a, site);
        }
    }

    /// <summary>Leaves if a call's target is not canonical: the fault comes before the push, which would be seen in memory.</summary>
    private void RequireCanonicalTarget(ref HostAssembler a, in DecodedInstruction decoded)
    {
        const int addressBits = 47;
        const int addImmediate = 0;
        ref readonly Instruction instruction = ref decoded.Instruction;
        PreserveFlags(ref a, decoded);
        int guest = instruction.Op0Kind == OpKind.Register ? NumberOf(instruction.Op0Register) : HostRegister.None;
        if (guest >= 0 && HomeOf(guest) >= 0)
        {
            a.Move(Scratch2, HomeOf(guest));
        }
        else
        {
            a.LoadFrame(Scratch2, guest >= 0 ? SlotOf(guest) : Frame.Temporary);
        }

        // The upper bits are all equal: 0 or −1, and so 1 or 0 after the addition.
        a.Shift64(HostAssembler.ShiftRightSigned, Scratch2, addressBits);
        a.Immediate32(addImmediate, Scratch2, 1, wide: true);
        a.Immediate32(CompareGroup, Scratch2, 1, wide: true);
        LeaveIf(ref a, HostCondition.Above, new Site { Kind = SiteKind.Interpret, Rip = instruction.IP });
    }

    private void EmitReturn(ref HostAssembler a, in DecodedInstruction decoded)
    {
        LoadSlot(ref a, Scratch1, EmitStackRead(ref a, decoded, GuestRsp));
        EmitReturnTo(ref a, decoded, popped: 0);
    }

    /// <summary>RET to the address in Scratch1.</summary>
    /// <param name="popped">What RSP is to go up by for the instructions before; bytes.</param>
    private void EmitReturnTo(ref HostAssembler a, in DecodedInstruction decoded, int popped)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int pop = SlotBytes + (instruction.OpCount > 0 ? instruction.Immediate16 : 0);
        MoveStackPointer(ref a, popped + pop);
        SaveIfLive(ref a, decoded);
        EmitDispatch(ref a, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP, StackUndo = -pop });
    }

    /// <summary>A register's value into Scratch1.</summary>
    private void EmitTarget(ref HostAssembler a, Register register)
    {
        int guest = NumberOf(register);
        if (HomeOf(guest) >= 0)
        {
            Wide(ref a, 0x89, HomeOf(guest), Scratch1, wide: !Is32);
        }
        else
        {
            a.LoadFrame(Scratch1, SlotOf(guest));
        }
    }

    private void SaveIfLive(ref HostAssembler a, in DecodedInstruction decoded)
    {
        if (decoded.LiveAfter != 0)
        {
            SaveFlags(ref a);
        }
    }

    private bool IsSamePage(ulong target) => ((LinearOf(target) ^ _block->Rip) & ~(ulong)(PageSize - 1)) == 0;

    /// <summary>Goes on at a known address.</summary>
    private void EmitContinue(ref HostAssembler a, ulong target, Site site)
    {
        if (IsSamePage(target))
        {
            LinkFrom(a.Jump(), target);
            return;
        }

        if (CanLinkAcross(target))
        {
            EmitCrossLink(ref a, target);
            return;
        }

        EmitTableJump(ref a, target, site);
    }

    /// <summary>Whether a target in another page is known as a linear address, and near enough for kept code.</summary>
    private bool CanLinkAcross(ulong target)
    {
        const long near = int.MaxValue - (2 * PageSize);
        return !_isSegmented && !_block->IsRelative && (long)(target << 16) >> 16 == (long)target
            && Math.Abs((long)(target - _block->Rip)) < near;
    }

    /// <summary>
    /// Goes on at a known address in another page. The upper half of the salt tells whether the link is of now: it has a number of the
    /// address space's epoch, in which both pages stay where they are. There is none at first: no salt has zero there.
    /// </summary>
    private void EmitCrossLink(ref HostAssembler a, ulong target)
    {
        byte* place = a.JumpIfDword(HostCondition.Equal, Rsp, Frame.SaltNumber);
        int site = AddSite(new Site
        {
            Kind = SiteKind.Cross,
            Rip = target,
            Resume = place,
            IsForward = target > _block->Rip,
            StackUndo = TranslationCache.DetoursBeforeLink,
        });
        a.LoadConstant(Scratch1, target);
        EmitWayOut(ref a, site);
        a.Jump(_stubs.Cross);
    }

    /// <summary>Goes on at a known address by the jump table.</summary>
    private void EmitTableJump(ref HostAssembler a, ulong target, Site site)
    {
        if (_block->IsRelative)
        {
            EmitLoadRip(ref a, Scratch1, target);
            EmitDispatch(ref a, site);
            return;
        }

        EmitLinearJump(ref a, LinearOf(target), site);
    }

    /// <summary>By the jump table to a linear address, in the segment that the salt stands for.</summary>
    private void EmitLinearJump(ref HostAssembler a, ulong linear, Site site)
    {
        // The index is known now: load the entry's address once, compare, go.
        int entry = JumpEntry.IndexOf(linear) * sizeof(JumpEntry);
        a.LoadConstant(Scratch1, linear);
        a.LoadFrame(Scratch2, Frame.JumpTable);
        a.Op64(XorMemory, Scratch1, Rsp, Frame.Salt);
        a.Op64(CompareMemory, Scratch1, Scratch2, entry);
        LeaveIf(ref a, HostCondition.NotEqual, site);
        a.JumpMemory(Scratch2, entry + 8);
    }

    /// <summary>Goes on at the address in Scratch1, by the jump table.</summary>
    private void EmitDispatch(ref HostAssembler a, Site site)
    {
        byte* unknown = a.JumpThroughTable();
        _cold.Add(new ColdPath((nint)unknown, AddSite(site)));
    }

    /// <summary>Makes the branch with its displacement at <paramref name="place"/> leave, until the engine links it.</summary>
    private void LinkFrom(byte* place, ulong target) => _cold.Add(new ColdPath(
        (nint)place, AddSite(new Site { Kind = SiteKind.Link, Rip = target, Resume = place, IsForward = LinearOf(target) > _block->Rip })));
}
