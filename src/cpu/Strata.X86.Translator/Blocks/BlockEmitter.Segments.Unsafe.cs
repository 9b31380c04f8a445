using Iced.Intel;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Segment registers on the stack and loaded by the kernel's 32-bit code, and POPF: what entering a kernel and leaving it consists of.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int SelectorMask = 0xFFFF;

    /// <summary>What POPF changes in the kernel without further consequences.</summary>
    private const ulong PlainFlags = RFlags.Arithmetic | RFlags.IF | RFlags.DF | RFlags.IOPL | RFlags.ID;

    /// <summary>Flags that have consequences, popped or in force: those are the interpreter's.</summary>
    private const ulong PoppedUnusual = RFlags.TF | RFlags.NT | RFlags.AC;

    private const ulong PresentUnusual = PoppedUnusual | RFlags.VM | RFlags.VIF | RFlags.VIP;

    private void EmitPushSegment(ref HostAssembler a, in DecodedInstruction decoded)
    {
        int selector = SegmentsOffset + ((decoded.Instruction.Op0Register - Register.ES) * sizeof(SegmentState)) + SelectorOffset;
        HostOperand place = EmitPushCheck(ref a, decoded, null, keepScratch2: true);
        LoadContext(ref a, Scratch2);
        LoadSelector(ref a, Scratch2, Scratch2, selector);
        StoreSlot(ref a, place, Scratch2);
        MoveStackPointer(ref a, -SlotBytes);
    }

    private void EmitLoadSegment(ref HostAssembler a, in DecodedInstruction decoded)
    {
        EmitTarget(ref a, decoded.Instruction.Op1Register);
        EmitCallLoader(ref a, decoded);
    }

    private void EmitPopSegment(ref HostAssembler a, in DecodedInstruction decoded)
    {
        LoadSlot(ref a, Scratch1, EmitStackRead(ref a, decoded, GuestRsp));
        EmitCallLoader(ref a, decoded);
        MoveStackPointer(ref a, SlotBytes);
    }

    /// <summary>Loads the selector in Scratch1.</summary>
    private void EmitCallLoader(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        SegmentIndex index = (SegmentIndex)(instruction.Op0Register - Register.ES);
        a.And32(Scratch1, SelectorMask);
        Site site = new()
        {
            Kind = SiteKind.Interpret,
            Rip = instruction.IP,
            Code = (ushort)instruction.Code,
            Length = (byte)instruction.Length,
            LoadsSegment = true,
            First = (byte)index,
        };
        a.LoadConstant(Scratch2, (uint)AddSite(site));
        a.Call(_stubs.Segments.Of(index));
    }

    private void EmitPopFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        RequireKernel(ref a, decoded);
        LoadSlot(ref a, Scratch1, EmitStackRead(ref a, decoded, GuestRsp));
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
        a.And32(Scratch1, (int)PlainFlags);
        GateStubs.EmitSplitFlags(ref a);
        MoveStackPointer(ref a, SlotBytes);
        _flagsInHost = false;
        _flagsInFrame = true;
    }
}
