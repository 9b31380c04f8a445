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
    private static readonly int FsBaseOffset = (int)Marshal.OffsetOf<X86CpuState>(
        nameof(X86CpuState.Fs)) + (int)Marshal.OffsetOf<SegmentState>(nameof(SegmentState.Base));
    private static readonly int Cr4Offset = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Cr4));
    private static readonly int KernelGsBase = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.KernelGsBase));

    /// <summary>From the supervisor's set to the one in which user pages may be touched.</summary>
    private static readonly int UserAccessDistance =
        ((int)TlbPrivilege.SupervisorUserAccess - (int)TlbPrivilege.Supervisor) * Paging.Tlb.Entries * sizeof(TlbEntry);

    /// <summary>The clock is the engine's: leaves, and goes on behind the instruction with the registers that it has set.</summary>
    private void EmitReadTsc(ref HostAssembler a, in Instruction instruction)
    {
        int site = AddSite(
            new Site
            {
                Kind = SiteKind.Interpret,
                Rip = instruction.IP,
                Code = (ushort)instruction.Code,
                Length = (byte)instruction.Length,
            });
        EmitWayOut(ref a, site);
        a.Jump(_stubs.Exit);
        cache.SiteAt((uint)site)->Resume = a.At;
    }

    private void EmitSystem(ref HostAssembler a, in DecodedInstruction decoded)
    {
        PreserveFlags(ref a, decoded);
        switch (decoded.Instruction.Mnemonic)
        {
            case Mnemonic.Mov when decoded.Instruction.Op0Kind == OpKind.Register && decoded.Instruction.Op0Register.IsSegmentRegister():
                EmitLoadSegment(ref a, decoded);
                break;
            case Mnemonic.Mov:
                EmitReadSelector(ref a, decoded);
                break;
            case Mnemonic.Push:
                EmitPushSegment(ref a, decoded);
                break;
            case Mnemonic.Pop:
                EmitPopSegment(ref a, decoded);
                break;
            case Mnemonic.Popfd or Mnemonic.Popfq:
                EmitPopFlags(ref a, decoded);
                break;
            case Mnemonic.Rdtsc or Mnemonic.Rdtscp:
                EmitReadTsc(ref a, decoded.Instruction);
                break;
            case Mnemonic.Rdfsbase or Mnemonic.Rdgsbase:
                RequireFsGsBase(ref a, decoded);
                EmitReadBase(ref a, decoded.Instruction);
                break;
            case Mnemonic.Wrfsbase or Mnemonic.Wrgsbase:
                RequireFsGsBase(ref a, decoded);
                EmitWriteBase(ref a, decoded);
                break;
            case Mnemonic.Cld:
                SystemFlag(ref a, AndImmediate, ~(int)RFlags.DF);
                break;
            case Mnemonic.Pushfq or Mnemonic.Pushfd:
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

    /// <summary>MOV r32, Sreg and MOV m16, Sreg: the selector, zero-extended in a register.</summary>
    private void EmitReadSelector(ref HostAssembler a, in DecodedInstruction decoded)
    {
        ref readonly Instruction instruction = ref decoded.Instruction;
        int selector = SegmentsOffset + ((instruction.Op1Register - Register.ES) * sizeof(SegmentState)) + SelectorOffset;
        if (instruction.Op0Kind == OpKind.Memory)
        {
            HostOperand place = EmitOperandCheck(ref a, decoded, write: true, keepScratch2: true, out _);
            LoadContext(ref a, Scratch2);
            LoadSelector(ref a, Scratch2, Scratch2, selector);
            a.Byte(0x66);
            a.Op(0x89, Scratch2, place, wide: false);
            return;
        }

        LoadContext(ref a, Scratch1);
        LoadSelector(ref a, Scratch2, Scratch1, selector);
        if (instruction.Op0Register.IsGPR16())
        {
            StoreGuest16(ref a, instruction.Op0Register, Scratch2);
        }
        else
        {
            StoreGuest(ref a, instruction.Op0Register, Scratch2);
        }
    }

    private static void LoadContext(ref HostAssembler a, int register)
    {
        a.LoadFrame(register, Frame.Bridge);
        a.Load(register, register, Bridge.OffsetOf(nameof(Bridge.Context)));
    }

    /// <summary>MOVZX r32, word [context + offset], for registers above 7.</summary>
    private static void LoadSelector(ref HostAssembler a, int to, int context, int offset)
    {
        a.Byte(0x45);
        a.Byte(0x0F);
        a.Byte(0xB7);
        a.Memory(to, context, offset);
    }

    private static void StoreGuest(ref HostAssembler a, Register register, int from)
    {
        int guest = NumberOf(register);
        if (HomeOf(guest) >= 0)
        {
            a.Move(HomeOf(guest), from);
        }
        else
        {
            a.StoreFrame(SlotOf(guest), from);
        }
    }

    private static void StoreGuest16(ref HostAssembler a, Register register, int from)
    {
        int guest = NumberOf(register);
        a.Byte(0x66);
        if (HomeOf(guest) >= 0)
        {
            Wide(ref a, 0x89, from, HomeOf(guest), wide: false);
        }
        else
        {
            a.Op32(0x89, from, Rsp, SlotOf(guest));
        }
    }

    /// <summary>Leaves unless CR4 allows the instructions that read and write the bases of FS and GS.</summary>
    private void RequireFsGsBase(ref HostAssembler a, in DecodedInstruction decoded)
    {
        LoadContext(ref a, Scratch1);
        a.Byte(0x41); // test dword [r14 + cr4], FSGSBASE
        a.Byte(0xF7);
        a.Memory(0, Scratch1, Cr4Offset);
        a.Dword((int)Cr4.FSGSBASE);
        LeaveIf(ref a, HostCondition.Equal, new Site { Kind = SiteKind.Interpret, Rip = decoded.Instruction.IP });
    }

    private static void EmitReadBase(ref HostAssembler a, in Instruction instruction)
    {
        int from = instruction.Mnemonic == Mnemonic.Rdfsbase ? Frame.FsBase : Frame.GsBase;
        if (instruction.Op0Register.IsGPR64())
        {
            a.LoadFrame(Scratch2, from);
        }
        else
        {
            a.Op32(0x8B, Scratch2, Rsp, from);
        }

        StoreGuest(ref a, instruction.Op0Register, Scratch2);
    }

    /// <summary>The context is in Scratch1. A base that is not canonical is the interpreter's.</summary>
    private void EmitWriteBase(ref HostAssembler a, in DecodedInstruction decoded)
    {
        const int unused = 16;
        ref readonly Instruction instruction = ref decoded.Instruction;
        bool wide = instruction.Op0Register.IsGPR64();
        int guest = NumberOf(instruction.Op0Register);
        if (HomeOf(guest) < 0)
        {
            a.LoadFrame(Scratch2, SlotOf(guest));
        }
        else
        {
            a.Move(Scratch2, HomeOf(guest));
        }

        if (wide)
        {
            a.StoreFrame(Frame.Temporary, Scratch2);
            a.Shift64(HostAssembler.ShiftLeft, Scratch2, unused);
            a.Shift64(HostAssembler.ShiftRightSigned, Scratch2, unused);
            a.Op64(CompareMemory, Scratch2, Rsp, Frame.Temporary);
            LeaveToInterpreter(ref a, decoded);
        }
        else
        {
            Wide(ref a, 0x89, Scratch2, Scratch2, wide: false);
        }

        if (instruction.Mnemonic == Mnemonic.Wrgsbase)
        {
            a.StoreFrame(Frame.GsBase, Scratch2); // the state's follows when translated code is left
            return;
        }

        a.StoreFrame(Frame.FsBase, Scratch2);
        a.Store(Scratch1, FsBaseOffset, Scratch2);
        a.LoadFrame(Scratch1, Frame.Bridge);
        a.Store(Scratch1, Bridge.OffsetOf(nameof(Bridge.FsBase)), Scratch2);
    }

    private static void EmitSwapGs(ref HostAssembler a)
    {
        LoadContext(ref a, Scratch1);
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

    /// <summary>PUSHFQ and PUSHFD: the arithmetic flags from the frame by way of the host's, the others from the frame.</summary>
    private void EmitPushFlags(ref HostAssembler a, in DecodedInstruction decoded)
    {
        HostOperand place = EmitPushCheck(ref a, decoded, null, keepScratch2: true);
        a.RestoreFlags();
        a.Byte(0x9C); // pushfq
        a.Byte(0x41); // pop r13
        a.Byte(0x58 | (Scratch2 & 7));
        a.And32(Scratch2, (int)RFlags.Arithmetic);
        a.Op64(0x0B, Scratch2, Rsp, Frame.SystemFlags);
        StoreSlot(ref a, place, Scratch2);
        MoveStackPointer(ref a, -SlotBytes);
    }
}
