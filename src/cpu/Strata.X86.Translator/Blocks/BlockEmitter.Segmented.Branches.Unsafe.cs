using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Near branches of code with segments. Targets that are known have been compared with the limit of CS; others are, where their size
/// does not see to it.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private void EmitSegmentedJump(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        Site site = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP };
        if (decoded.IsDirectBranch)
        {
            SaveIfLive(ref a, decoded);
            EmitContinue(ref a, instruction.NearBranchTarget, site);
            return;
        }

        EmitSegmentedTarget(ref a, decoded, out _);
        EmitAddCodeBase(ref a);
        SaveIfLive(ref a, decoded);
        EmitDispatch(ref a, site);
    }

    /// <summary>The target of an indirect branch into Scratch1, within the segment.</summary>
    /// <param name="restart">Where the instruction starts.</param>
    private void EmitSegmentedTarget(ref HostAssembler a, in DecodedInstruction decoded, out byte* restart)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = SegmentedTraits.OperandBytes(instruction);
        if (instruction.Op0Kind == OpKind.Memory)
        {
            HostOperand operand = EmitOperandCheck(ref a, decoded, write: false, keepScratch2: false, out restart);
            LoadZeroExtended(ref a, Scratch1, operand, bytes);
        }
        else
        {
            PreserveFlags(ref a, decoded);
            restart = a.At;
            CopySized(ref a, Scratch1, HomeOf(NumberOf(instruction.Op0Register)), bytes);
        }

        RequireWithinLimit(ref a, instruction.IP, bytes);
    }

    /// <summary>Leaves if the target in Scratch1 is beyond the limit of CS.</summary>
    private void RequireWithinLimit(ref HostAssembler a, ulong rip, int bytes)
    {
        if (_segment.Limit >= (bytes == 2 ? CodeSegment.RealLimit : uint.MaxValue))
        {
            return;
        }

        a.Immediate32(CompareGroup, Scratch1, (int)_segment.Limit, wide: false);
        LeaveIf(ref a, HostCondition.Above, new Site { Kind = SiteKind.Interpret, Rip = rip });
    }

    private void EmitSegmentedCall(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = SegmentedTraits.OperandBytes(instruction);
        bool direct = decoded.IsDirectBranch;
        byte* restart = null;
        if (!direct)
        {
            EmitSegmentedTarget(ref a, decoded, out restart);
            a.StoreFrame(Frame.Temporary, Scratch1);
        }

        HostOperand place = EmitStackCheck(ref a, decoded, GuestRsp, -bytes, bytes, write: true, restart);
        StoreConstant(ref a, place, (int)NextOf(instruction), bytes);
        SetSegmentedStack(ref a, GuestRsp, -bytes);
        SaveIfLive(ref a, decoded);
        Site site = new() { Kind = SiteKind.Dispatch, Rip = instruction.IP };
        if (direct)
        {
            EmitContinue(ref a, instruction.NearBranchTarget, site);
            return;
        }

        a.LoadFrame(Scratch1, Frame.Temporary);
        EmitAddCodeBase(ref a);
        EmitDispatch(ref a, site);
    }

    private void EmitSegmentedReturn(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int bytes = SegmentedTraits.OperandBytes(instruction);
        LoadZeroExtended(ref a, Scratch1, EmitStackCheck(ref a, decoded, GuestRsp, 0, bytes, write: false), bytes);
        RequireWithinLimit(ref a, instruction.IP, bytes);
        SetSegmentedStack(ref a, GuestRsp, bytes + (instruction.OpCount > 0 ? instruction.Immediate16 : 0));
        EmitAddCodeBase(ref a);
        SaveIfLive(ref a, decoded);
        EmitDispatch(ref a, new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
    }

    /// <summary>LOOP and JCXZ. The ways on their flags do not lead through the host's: counting changes those.</summary>
    private void EmitLoop(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool loops = instruction.Mnemonic == Mnemonic.Loop;
        bool is16 = instruction.Code is Code.Loop_rel8_16_CX or Code.Loop_rel8_32_CX or Code.Jcxz_rel8_16 or Code.Jcxz_rel8_32;
        PreserveFlags(ref a, decoded);
        if (is16)
        {
            a.Byte(0x66);
        }

        a.Byte(loops ? 0xFF : 0x85); // dec (e)cx, or test (e)cx, (e)cx
        a.Byte(0xC9);
        EmitBranchIf(
            ref a,
            loops ? HostCondition.NotEqual : HostCondition.Equal,
            instruction.NearBranchTarget,
            NextOf(instruction),
            new Site { Kind = SiteKind.Dispatch, Rip = instruction.IP });
    }
}
