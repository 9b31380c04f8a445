using System.Runtime.InteropServices;
using Iced.Intel;
using Strata.X86.Execution;
using Strata.X86.Paging;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// The system instructions that kernels execute all the time. Where a privilege is missing or more than the plain effect is due,
/// the interpreter has them.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int OrImmediate = 1;
    private const int AndImmediate = 4;

    private static readonly int SegmentsOffset = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Es));
    private static readonly int SelectorOffset = (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Selector));
    private static readonly int KernelGsBase = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.KernelGsBase));

    /// <summary>From the supervisor's set to the one in which user pages may be touched.</summary>
    private static readonly int UserAccessDistance =
        ((int)TlbPrivilege.SupervisorUserAccess - (int)TlbPrivilege.Supervisor) * Paging.Tlb.Entries * sizeof(TlbEntry);

    private void EmitSystem(ref HostAssembler a, in DecodedInstruction decoded)
    {
        PreserveFlags(ref a, decoded);
        switch (decoded.Instruction.Mnemonic)
        {
            case Mnemonic.Mov:
                EmitReadSelector(ref a, decoded.Instruction);
                break;
            case Mnemonic.Cld:
                SystemFlag(ref a, AndImmediate, ~(int)RFlags.DF);
                break;
            case Mnemonic.Pushfq:
                EmitPushFlags(ref a, decoded);
                break;
            case Mnemonic.Cli:
                RequireKernel(ref a, decoded);
                SystemFlag(ref a, AndImmediate, ~(int)RFlags.IF);
                break;
            case Mnemonic.Sti:
                RequireKernel(ref a, decoded);
                a.CompareDword(Rsp, Frame.Waiting, 0);
                LeaveToInterpreter(ref a, decoded);
                SystemFlag(ref a, OrImmediate, (int)RFlags.IF);
                break;
            case Mnemonic.Swapgs:
                RequireKernel(ref a, decoded);
                EmitSwapGs(ref a);
                break;
            case Mnemonic.Stac:
                EmitUserAccess(ref a, decoded, allow: true);
                break;
            default:
                EmitUserAccess(ref a, decoded, allow: false);
                break;
        }
    }

    private void RequireKernel(ref HostAssembler a, in DecodedInstruction decoded)
    {
        a.CompareDword(Rsp, Frame.Cpl, 0);
        LeaveToInterpreter(ref a, decoded);
    }

    /// <summary>Leaves if the host's ZF is clear.</summary>
    private void LeaveToInterpreter(ref HostAssembler a, in DecodedInstruction decoded) =>
        LeaveIf(ref a, HostCondition.NotEqual, new Site { Kind = SiteKind.Interpret, Rip = decoded.Instruction.IP });

    /// <summary>A group-1 operation on the low half of the system flags.</summary>
    private static void SystemFlag(ref HostAssembler a, int operation, int value)
    {
        a.Byte(0x81);
        a.Memory(operation, Rsp, Frame.SystemFlags);
        a.Dword(value);
    }

    /// <summary>MOV r32, Sreg: the selector, zero-extended.</summary>
    private static void EmitReadSelector(ref HostAssembler a, in Instruction instruction)
    {
        int selector = SegmentsOffset + ((instruction.Op1Register - Register.ES) * sizeof(SegmentState)) + SelectorOffset;
        int guest = NumberOf(instruction.Op0Register);
        int to = HomeOf(guest) < 0 ? Scratch2 : HomeOf(guest);
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.Load(Scratch1, Scratch1, Bridge.OffsetOf(nameof(Bridge.Context)));
        a.Byte(0x41 | ((to >> 3) << 2)); // movzx to, word [r14 + selector]
        a.Byte(0x0F);
        a.Byte(0xB7);
        a.Memory(to, Scratch1, selector);
        if (HomeOf(guest) < 0)
        {
            a.StoreFrame(SlotOf(guest), Scratch2);
        }
    }

    private static void EmitSwapGs(ref HostAssembler a)
    {
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.Load(Scratch1, Scratch1, Bridge.OffsetOf(nameof(Bridge.Context)));
        a.Load(Scratch2, Scratch1, KernelGsBase);
        a.StoreFrame(Frame.Temporary, Scratch2);
        a.LoadFrame(Scratch2, Frame.GsBase);
        a.Store(Scratch1, KernelGsBase, Scratch2);
        a.LoadFrame(Scratch2, Frame.Temporary);
        a.StoreFrame(Frame.GsBase, Scratch2);
    }

    /// <summary>STAC and CLAC: AC, and the TLB set that goes with it.</summary>
    private void EmitUserAccess(ref HostAssembler a, in DecodedInstruction decoded, bool allow)
    {
        RequireKernel(ref a, decoded);
        a.Byte(0xF7); // test dword [rsp + SystemFlags], AC
        a.Memory(0, Rsp, Frame.SystemFlags);
        a.Dword((int)RFlags.AC);
        byte* skip = a.JumpIf(allow ? HostCondition.NotEqual : HostCondition.Equal);
        SystemFlag(ref a, allow ? OrImmediate : AndImmediate, allow ? (int)RFlags.AC : ~(int)RFlags.AC);
        a.Lea(HostRegister.Tlb, HostRegister.Tlb, allow ? UserAccessDistance : -UserAccessDistance);
        HostAssembler.Patch(skip, a.At);
    }

    /// <summary>PUSHFQ: the arithmetic flags from the frame by way of the host's, the others from the frame.</summary>
    private void EmitPushFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        HostOperand place = EmitPushCheck(ref a, decoded, null, keepScratch2: true);
        a.RestoreFlags();
        a.Byte(0x9C); // pushfq
        a.Byte(0x41); // pop r13
        a.Byte(0x58 | (Scratch2 & 7));
        a.And32(Scratch2, (int)RFlags.Arithmetic);
        a.Op64(0x0B, Scratch2, Rsp, Frame.SystemFlags);
        a.Store(place, Scratch2);
        a.Lea(GuestRsp, GuestRsp, -8);
    }
}
