using System.Runtime.InteropServices;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Far branches, INT and IRET of real mode, where CS and the stack have 64 KiB. The new code segment is one for which there is a number
/// already, which goes into the salt; where a selector is used for the first time, the interpreter executes the instruction.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int FarBytes = 4;
    private const int InterruptBytes = 6;
    private const int VectorBytes = 4;

    /// <summary>Of the instruction's target: slots of the frame that no stub uses in between.</summary>
    private const int FarSelector = Frame.Kept;
    private const int FarId = Frame.Kept + 8;
    private const int FarFlags = Frame.Kept + 16;

    private static readonly int CodeBaseOffset = (int)Marshal.OffsetOf<VcpuContext>(nameof(VcpuContext.CodeBase));
    private static readonly int NmiBlockedOffset = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.NmiBlocked));
    private static readonly int IdtOffset = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Idtr));
    private static readonly int TableBase = (int)Marshal.OffsetOf<DescriptorTableRegister>(nameof(DescriptorTableRegister.Base));
    private static readonly int TableLimit = (int)Marshal.OffsetOf<DescriptorTableRegister>(nameof(DescriptorTableRegister.Limit));

    private static readonly int SaltSegment = Bridge.OffsetOf(nameof(Bridge.Salt)) + (Salts.SegmentShift / 8);

    private void EmitFar(ref HostAssembler a, in DecodedInstruction decoded)
    {
        switch (decoded.Instruction.Mnemonic)
        {
            case Mnemonic.Jmp or Mnemonic.Call:
                EmitFarBranch(ref a, decoded, calls: decoded.Instruction.Mnemonic == Mnemonic.Call);
                break;
            case Mnemonic.Retf:
                EmitFarReturn(ref a, decoded);
                break;
            case Mnemonic.Int:
                EmitInterrupt(ref a, decoded);
                break;
            default:
                EmitInterruptReturn(ref a, decoded);
                break;
        }
    }

    private void EmitFarBranch(ref HostAssembler a, in DecodedInstruction decoded, bool calls)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool direct = instruction.Op0Kind == OpKind.FarBranch16;
        byte* restart = null;
        if (!direct)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: true, out restart);
            EmitKeepPointer(ref a, operand);
            RequireKnownSegment(ref a, instruction.IP);
        }

        if (calls)
        {
            Site site = AccessSite(decoded, FarBytes, write: true, stack: true, restart) with { First = 2, FirstSize = 2 };
            HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -FarBytes, site);
            EmitStoreReturn(ref a, place, instruction);
            SetSegmentedStack(ref a, GuestRsp, -FarBytes);
        }

        PreserveFlags(ref a, decoded);
        Site dispatch = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP };
        if (direct)
        {
            EmitLinearJump(ref a, EmitEnterKnown(ref a, instruction.FarBranchSelector) + instruction.FarBranch16, dispatch);
            return;
        }

        EmitEnterSegment(ref a);
        EmitDispatch(ref a, dispatch);
    }

    private void EmitFarReturn(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        Site site = AccessSite(decoded, FarBytes, write: false, stack: true, null) with { FirstSize = 2 };
        EmitKeepPointer(ref a, EmitStackCheck(ref a, decoded, GuestRsp, 0, site));
        RequireKnownSegment(ref a, instruction.IP);
        SetSegmentedStack(ref a, GuestRsp, FarBytes + (instruction.OpCount > 0 ? instruction.Immediate16 : 0));
        EmitEnterSegment(ref a);
        EmitDispatch(ref a, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
    }

    private void EmitInterrupt(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        int vector = instruction.Immediate8 * VectorBytes;
        a.Byte(0xF7); // test dword [rsp + SystemFlags], AC
        a.Memory(0, Rsp, Frame.SystemFlags);
        a.Dword((int)RFlags.AC);
        LeaveToInterpreter(ref a, decoded);
        LoadSegmentedContext(ref a);
        EmitOnMemory(ref a, CompareGroup, Scratch2, IdtOffset + TableLimit, vector + VectorBytes - 1);
        LeaveIf(ref a, HostCondition.Below, new Site { Kind = SiteKind.Interpret, Rip = instruction.IP });
        a.Load(Scratch1, Scratch2, IdtOffset + TableBase);
        a.Lea(Scratch1, Scratch1, vector);
        Site site = AccessSite(decoded, VectorBytes, write: false, stack: false, restart);
        EmitKeepPointer(ref a, EmitCheck(ref a, AddressForm.Lost, site, keepScratch2: true));
        RequireKnownSegment(ref a, instruction.IP);
        site = AccessSite(decoded, InterruptBytes, write: true, stack: true, restart) with { First = 4, FirstSize = 2 };
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -InterruptBytes, site);
        EmitFlagsImage(ref a);
        AccessSized(ref a, StoreToMemory, Scratch2, place with { Displacement = 4 }, 2);
        EmitStoreReturn(ref a, place, instruction);
        SystemFlag(ref a, AndImmediate, ~(int)(RFlags.IF | RFlags.TF | RFlags.RF));
        SetSegmentedStack(ref a, GuestRsp, -InterruptBytes);
        EmitEnterSegment(ref a);
        EmitDispatch(ref a, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
    }

    private void EmitInterruptReturn(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        PreserveFlags(ref a, decoded);
        byte* restart = a.At;
        LoadSegmentedContext(ref a);
        a.Byte(0x41); // cmp byte [r13 + NmiBlocked], 0
        a.Byte(0x80);
        a.Memory(CompareGroup, Scratch2, NmiBlockedOffset);
        a.Byte(0);
        LeaveToInterpreter(ref a, decoded);
        Site site = AccessSite(decoded, InterruptBytes, write: false, stack: true, restart) with { FirstSize = 2 };
        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, 0, site);
        LoadZeroExtended(ref a, Scratch2, place with { Displacement = 4 }, 2);
        a.StoreFrame(FarFlags, Scratch2);
        EmitKeepPointer(ref a, place);
        RequireKnownSegment(ref a, instruction.IP);
        a.LoadFrame(Scratch1, FarFlags);
        EmitPlainFlags(ref a, decoded, bytes: 2);
        GateStubs.EmitSplitFlags(ref a);
        _flagsInHost = false;
        _flagsInFrame = true;
        SetSegmentedStack(ref a, GuestRsp, InterruptBytes);
        EmitEnterSegment(ref a);
        EmitDispatch(ref a, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
    }

    private static void LoadSegmentedContext(ref HostAssembler a) =>
        a.Load(Scratch2, SegmentedHome.Bridge, Bridge.OffsetOf(nameof(Bridge.Context)));

    /// <summary>
    /// A far pointer in memory at Scratch1 into the frame: the offset and, behind it, the selector, which stays in Scratch2, too.
    /// </summary>
    private static void EmitKeepPointer(ref HostAssembler a, in HostOperand pointer)
    {
        LoadZeroExtended(ref a, Scratch2, pointer, 2);
        a.StoreFrame(Frame.Temporary, Scratch2);
        LoadZeroExtended(ref a, Scratch2, pointer with { Displacement = 2 }, 2);
        a.StoreFrame(FarSelector, Scratch2);
    }

    /// <summary>Leaves unless the selector in Scratch2 has a number, which goes to the frame.</summary>
    private void RequireKnownSegment(ref HostAssembler a, ulong rip)
    {
        a.Load(Scratch1, SegmentedHome.Bridge, Bridge.OffsetOf(nameof(Bridge.RealIds)));
        a.Byte(0x47); // movzx r14d, word [r14 + r13 * 2]
        a.Byte(0x0F);
        a.Byte(0xB7);
        a.Memory(Scratch1, Scratch1, Scratch2, 1, 0);
        a.Immediate32(CompareGroup, Scratch1, 0, wide: false);
        LeaveIf(ref a, HostCondition.Equal, new Site { Kind = SiteKind.Interpret, Rip = rip });
        a.StoreFrame(FarId, Scratch1);
    }

    /// <summary>CS and IP behind the instruction to memory at Scratch1.</summary>
    private void EmitStoreReturn(ref HostAssembler a, in HostOperand place, in Instruction instruction)
    {
        StoreConstant(ref a, place, (int)NextOf(instruction), 2);
        LoadSegmentedContext(ref a);
        LoadSelector(ref a, Scratch2, Scratch2, SegmentedHome.OffsetOf(SegmentIndex.Cs) + SegmentedHome.Selector);
        AccessSized(ref a, StoreToMemory, Scratch2, place with { Displacement = 2 }, 2);
    }

    /// <summary>Loads CS with the selector in the frame, whose number is there, too; the target's linear address into Scratch1.</summary>
    private void EmitEnterSegment(ref HostAssembler a)
    {
        const int add = 0x03;
        a.LoadFrame(Scratch1, FarId);
        a.Byte(0x66);
        a.Op32(StoreToMemory, Scratch1, Rsp, Frame.Salt + (Salts.SegmentShift / 8));
        a.Byte(0x66);
        a.Op32(StoreToMemory, Scratch1, SegmentedHome.Bridge, SaltSegment);
        a.LoadFrame(Scratch1, FarSelector);
        EmitLoadCode(ref a);
        a.Op64(add, Scratch1, Rsp, Frame.Temporary);
    }

    /// <summary>The same for a selector that is known now.</summary>
    /// <returns>The base.</returns>
    private uint EmitEnterKnown(ref HostAssembler a, ushort selector)
    {
        uint codeBase = (uint)selector << ParagraphBits;
        ushort id = cache.Segments.IdOf(_segment with { Base = codeBase });
        StoreConstant(ref a, new HostOperand(Rsp, HostRegister.None, Frame.Salt + (Salts.SegmentShift / 8)), id, 2);
        StoreConstant(ref a, new HostOperand(SegmentedHome.Bridge, HostRegister.None, SaltSegment), id, 2);
        a.LoadConstant(Scratch1, selector);
        EmitLoadCode(ref a);
        return codeBase;
    }

    /// <summary>CS from the selector in Scratch1, which becomes the base.</summary>
    private void EmitLoadCode(ref HostAssembler a)
    {
        int at = SegmentedHome.OffsetOf(SegmentIndex.Cs);
        LoadSegmentedContext(ref a);
        a.Byte(0x66);
        a.Op32(StoreToMemory, Scratch1, Scratch2, at + SegmentedHome.Selector);
        EmitRealAttributes(ref a, at, DataAttributes | SegmentState.Code);
        a.Shift64(HostAssembler.ShiftLeft, Scratch1, ParagraphBits);
        a.Store(Scratch2, at + SegmentedHome.Base, Scratch1);
        a.Store(Scratch2, CodeBaseOffset, Scratch1);
    }
}
