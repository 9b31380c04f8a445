using System.Runtime.InteropServices;
using Strata.X86.Execution;
using Strata.X86.Registers;
using Strata.X86.Translator.Cache;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Emit;

/// <summary>
/// SYSCALL, SYSENTER of 32-bit kernels and their returns without leaving translated code. What they change beside registers and flags
/// (segments, privilege, TLB set, salt) is known beforehand: the engine keeps it in the bridge's gates. Intel SDM Vol. 2B, "SYSCALL",
/// "SYSRET", "SYSENTER" and "SYSEXIT".
/// <para>In: the site in Scratch2, and for SYSCALL the RIP behind it in Scratch1; arithmetic flags in the frame.</para>
/// </summary>
internal sealed unsafe class GateStubs
{
    private const int And = 0x23;
    private const int Or = 0x0B;
    private const int UserCpl = 3;

    /// <summary>Flags that user code starts with only by way of the engine: single steps, alignment checks.</summary>
    private const ulong Unusual = RFlags.TF | RFlags.AC;

    private readonly int _codeSegment = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Cs));
    private readonly int _stackSegment = (int)Marshal.OffsetOf<X86CpuState>(nameof(X86CpuState.Ss));
    private readonly int _mode = (int)Marshal.OffsetOf<VcpuContext>(nameof(VcpuContext.Mode));
    private readonly int _cpl = (int)Marshal.OffsetOf<VcpuContext>(nameof(VcpuContext.Cpl));
    private readonly byte* _exit;
    private readonly byte* _dispatch;

    /// <param name="exit">Leaves translated code through the site in Scratch2.</param>
    /// <param name="dispatch">Goes on by the tag in Scratch1, and leaves so if that is not known.</param>
    public GateStubs(ref HostAssembler a, byte* exit, byte* dispatch)
    {
        _exit = exit;
        _dispatch = dispatch;
        Syscall = a.At;
        EmitSyscall(ref a);
        Sysret = a.At;
        EmitSysret(ref a);
        Sysenter = a.At;
        EmitSysenter(ref a);
        Sysexit = a.At;
        EmitSysexit(ref a);
    }

    public byte* Syscall { get; }

    public byte* Sysret { get; }

    public byte* Sysenter { get; }

    public byte* Sysexit { get; }

    private void EmitSyscall(ref HostAssembler a)
    {
        int gate = Bridge.OffsetOf(nameof(Bridge.SyscallGate));
        a.StoreFrame(Frame.Temporary, Rax);
        a.StoreFrame(Frame.Value, Scratch1);
        a.LoadFrame(Rax, Frame.Bridge);
        a.CompareDword(Rax, gate + Gate.OffsetOf(nameof(Gate.IsReady)), 0);
        byte* closed = a.JumpIf(HostCondition.Equal);

        a.RestoreFlags();
        a.Byte(0x9C); // pushfq
        a.Byte(0x41); // pop r13
        a.Byte(0x58 | (Scratch2 & 7));
        a.And32(Scratch2, (int)RFlags.Arithmetic);
        a.Op64(Or, Scratch2, Rsp, Frame.SystemFlags);
        a.StoreFrame(Frame.R11, Scratch2);
        a.StoreDword(Rsp, Frame.Flags, 0);
        a.LoadFrame(Scratch2, Frame.SystemFlags);
        a.Op64(And, Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.KeptFlags)));
        a.StoreFrame(Frame.SystemFlags, Scratch2);
        EmitPass(ref a, gate, cpl: 0);
        a.LoadFrame(Rcx, Frame.Value);
        a.Load(Scratch1, Rax, gate + Gate.OffsetOf(nameof(Gate.Target)));
        a.LoadFrame(Rax, Frame.Temporary);
        EmitArrival(ref a);

        HostAssembler.Patch(closed, a.At);
        a.LoadFrame(Rax, Frame.Temporary);
        a.Jump(_exit);
    }

    private void EmitSysret(ref HostAssembler a)
    {
        int gate = Bridge.OffsetOf(nameof(Bridge.SysretGate));
        a.StoreFrame(Frame.Temporary, Rax);
        a.StoreFrame(Frame.Value, Scratch2);
        a.LoadFrame(Rax, Frame.Bridge);
        a.CompareDword(Rax, gate + Gate.OffsetOf(nameof(Gate.IsReady)), 0);
        byte* closed = a.JumpIf(HostCondition.Equal);
        a.CompareDword(Rsp, Frame.Cpl, 0);
        byte* notKernel = a.JumpIf(HostCondition.NotEqual);
        a.CompareDword(Rsp, Frame.Waiting, 0); // its flags may let an interrupt in
        byte* waiting = a.JumpIf(HostCondition.NotEqual);
        a.Move(Scratch2, Rcx);
        a.Shift64(HostAssembler.ShiftRight, Scratch2, 47);
        byte* upperHalf = a.JumpIf(HostCondition.NotEqual);
        a.LoadFrame(Scratch1, Frame.R11);
        a.TestDword(Scratch1, (int)Unusual);
        byte* unusual = a.JumpIf(HostCondition.NotEqual);

        EmitSplitFlags(ref a);
        a.Increment(Rax, Bridge.OffsetOf(nameof(Bridge.UserReturns)));
        EmitPass(ref a, gate, UserCpl);
        a.Move(Scratch1, Rcx);
        a.LoadFrame(Rax, Frame.Temporary);
        EmitArrival(ref a);

        HostAssembler.Patch(closed, a.At);
        HostAssembler.Patch(notKernel, a.At);
        HostAssembler.Patch(waiting, a.At);
        HostAssembler.Patch(upperHalf, a.At);
        HostAssembler.Patch(unusual, a.At);
        a.LoadFrame(Rax, Frame.Temporary);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(_exit);
    }

    private void EmitSysenter(ref HostAssembler a)
    {
        int gate = Bridge.OffsetOf(nameof(Bridge.SysenterGate));
        EmitApproach(ref a, gate, out byte* closed, out byte* unusual);
        a.LoadFrame(Scratch2, Frame.SystemFlags);
        a.Op64(And, Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.KeptFlags)));
        a.StoreFrame(Frame.SystemFlags, Scratch2);
        EmitPass(ref a, gate, cpl: 0);
        a.Load(GuestRsp, Rax, gate + Gate.OffsetOf(nameof(Gate.Stack)));
        a.Load(Scratch1, Rax, gate + Gate.OffsetOf(nameof(Gate.Target)));
        a.LoadFrame(Rax, Frame.Temporary);
        EmitArrival(ref a);
        EmitTurnBack(ref a, (nint)closed, (nint)unusual);
    }

    private void EmitSysexit(ref HostAssembler a)
    {
        int gate = Bridge.OffsetOf(nameof(Bridge.SysexitGate));
        EmitApproach(ref a, gate, out byte* closed, out byte* unusual);
        a.CompareDword(Rsp, Frame.Cpl, 0);
        byte* notKernel = a.JumpIf(HostCondition.NotEqual);
        a.Increment(Rax, Bridge.OffsetOf(nameof(Bridge.UserReturns)));
        EmitPass(ref a, gate, UserCpl);
        a.Lea(GuestRsp, Rcx, HostRegister.None, 0, 0, wide: false);
        a.Lea(Scratch1, Rdx, HostRegister.None, 0, 0, wide: false);
        a.LoadFrame(Rax, Frame.Temporary);
        EmitArrival(ref a);
        EmitTurnBack(ref a, (nint)closed, (nint)unusual, (nint)notKernel);
    }

    /// <summary>Keeps RAX and the site, and gets the bridge into RAX; whether the gate may be passed.</summary>
    private static void EmitApproach(ref HostAssembler a, int gate, out byte* closed, out byte* unusual)
    {
        a.StoreFrame(Frame.Temporary, Rax);
        a.StoreFrame(Frame.Value, Scratch2);
        a.LoadFrame(Rax, Frame.Bridge);
        a.CompareDword(Rax, gate + Gate.OffsetOf(nameof(Gate.IsReady)), 0);
        closed = a.JumpIf(HostCondition.Equal);
        a.LoadFrame(Scratch1, Frame.SystemFlags);
        a.TestDword(Scratch1, (int)Unusual);
        unusual = a.JumpIf(HostCondition.NotEqual);
    }

    private void EmitTurnBack(ref HostAssembler a, params ReadOnlySpan<nint> places)
    {
        foreach (nint place in places)
        {
            HostAssembler.Patch((byte*)place, a.At);
        }

        a.LoadFrame(Rax, Frame.Temporary);
        a.LoadFrame(Scratch2, Frame.Value);
        a.Jump(_exit);
    }

    /// <summary>The flags in Scratch1 to their two places in the frame.</summary>
    public static void EmitSplitFlags(ref HostAssembler a)
    {
        const int low = (int)(RFlags.Arithmetic & 0xFF);
        const int overflowBit = 11;
        a.Move(Scratch2, Scratch1);
        a.And32(Scratch2, low);
        a.Shift64(HostAssembler.ShiftLeft, Scratch2, 8);
        a.Byte(0x41); // bt r14d, 11
        a.Byte(0x0F);
        a.Byte(0xBA);
        a.Byte(0xE0 | (Scratch1 & 7));
        a.Byte(overflowBit);
        a.Byte(0x49); // adc r13, 0
        a.Byte(0x83);
        a.Byte(0xD0 | (Scratch2 & 7));
        a.Byte(0);
        a.StoreFrame(Frame.Flags, Scratch2);
        a.And32(Scratch1, (int)(RFlags.Defined & ~(RFlags.Arithmetic | RFlags.RF | RFlags.VM)));
        a.Immediate32(1, Scratch1, (int)RFlags.Reserved1, wide: true);
        a.StoreFrame(Frame.SystemFlags, Scratch1);
    }

    /// <summary>Segments, privilege, TLB set and salt of the gate; the bridge in RAX, Scratch1 and Scratch2 are used.</summary>
    private void EmitPass(ref HostAssembler a, int gate, int cpl)
    {
        a.Load(Scratch1, Rax, Bridge.OffsetOf(nameof(Bridge.Context)));
        for (int i = 0; i < sizeof(SegmentState); i += 8)
        {
            a.Load(Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.Cs)) + i);
            a.Store(Scratch1, _codeSegment + i, Scratch2);
            a.Load(Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.Ss)) + i);
            a.Store(Scratch1, _stackSegment + i, Scratch2);
        }

        a.Op32(0x8B, Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.Mode)));
        a.Byte(0x66); // mov [r14 + mode], r13w
        a.Op32(0x89, Scratch2, Scratch1, _mode);
        a.Byte(0x41); // mov byte [r14 + cpl], imm8
        a.Byte(0xC6);
        a.Memory(0, Scratch1, _cpl);
        a.Byte(cpl);
        a.StoreDword(Rsp, Frame.Cpl, cpl);
        a.StoreDword(Rax, Bridge.OffsetOf(nameof(Bridge.Cpl)), cpl);
        a.Load(HostRegister.Tlb, Rax, gate + Gate.OffsetOf(nameof(Gate.Tlb)));
        a.Load(Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.Salt)));
        a.StoreFrame(Frame.Salt, Scratch2);
        a.Store(Rax, Bridge.OffsetOf(nameof(Bridge.Salt)), Scratch2);
        a.Load(Scratch2, Rax, gate + Gate.OffsetOf(nameof(Gate.JumpTable)));
        a.StoreFrame(Frame.JumpTable, Scratch2);
        a.Store(Rax, Bridge.OffsetOf(nameof(Bridge.JumpTable)), Scratch2);
    }

    /// <summary>On to the guest address in Scratch1.</summary>
    private void EmitArrival(ref HostAssembler a)
    {
        byte* unknown = a.JumpThroughTable();
        HostAssembler.Patch(unknown, a.At);
        a.LoadConstant(Scratch2, TranslationCache.ArrivalSite);
        a.Jump(_dispatch);
    }
}
