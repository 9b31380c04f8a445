using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Strata.X86.Registers;

/// <summary>Register numbers of the general-purpose registers, as encoded in instructions.</summary>
public static class Gpr
{
    public const int Rax = 0;
    public const int Rcx = 1;
    public const int Rdx = 2;
    public const int Rbx = 3;
    public const int Rsp = 4;
    public const int Rbp = 5;
    public const int Rsi = 6;
    public const int Rdi = 7;

    /// <summary>Index of the slot behind R15 that always reads zero: an address without base or index.</summary>
    public const int None = 16;
}

/// <summary>
/// The whole architectural state of one vCPU: what moves between engines, into snapshots and between hosts.
/// Blittable, with a fixed layout; engines embed it and address its fields by offset. The local APIC keeps its own state.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct X86CpuState
{
    /// <summary>RAX..R15, then <see cref="Gpr.None"/>, which is always zero.</summary>
    public fixed ulong Gprs[17];

    public ulong Rip;

    /// <summary>The stack pointer, for code that is not unsafe.</summary>
    public ulong Rsp
    {
        readonly get => Gprs[Gpr.Rsp];
        set => Gprs[Gpr.Rsp] = value;
    }

    /// <summary>Complete outside of <c>Run</c>; inside, an engine may hold the arithmetic flags elsewhere.</summary>
    public ulong Rflags;

    public SegmentState Es;
    public SegmentState Cs;
    public SegmentState Ss;
    public SegmentState Ds;
    public SegmentState Fs;
    public SegmentState Gs;
    public SegmentState Ldtr;
    public SegmentState Tr;
    public DescriptorTableRegister Gdtr;
    public DescriptorTableRegister Idtr;

    public ulong Cr0;
    public ulong Cr2;
    public ulong Cr3;
    public ulong Cr4;
    public ulong Xcr0;
    public ulong EferMsr;

    /// <summary>The four page-directory-pointer entries that PAE paging loads with CR3.</summary>
    public fixed ulong Pdptes[4];

    /// <summary>DR0..DR3.</summary>
    public fixed ulong DebugAddresses[4];

    public ulong Dr6;
    public ulong Dr7;

    public ulong Star;
    public ulong Lstar;
    public ulong Cstar;
    public ulong Sfmask;
    public ulong KernelGsBase;
    public ulong SysenterCs;
    public ulong SysenterEsp;
    public ulong SysenterEip;
    public ulong Pat;
    public ulong TscAux;

    /// <summary>Added to the machine's TSC; IA32_TSC_ADJUST and writes to IA32_TSC end up here.</summary>
    public ulong TscOffset;

    public ulong TscAdjust;
    public ulong MiscEnable;
    public ulong SpecCtrl;
    public ulong MtrrDefaultType;
    public fixed ulong MtrrFixed[11];
    public fixed ulong MtrrVariable[16];

    /// <summary>YMM0..YMM15, 32 bytes each; XMMn is the low half of YMMn.</summary>
    public fixed ulong Vectors[16 * 4];

    public uint Mxcsr;

    /// <summary>x87 control word.</summary>
    public ushort Fcw;

    /// <summary>x87 status word with TOP in bits 11..13.</summary>
    public ushort Fsw;

    /// <summary>x87 full tag word: two bits a physical register (0 valid, 1 zero, 2 special, 3 empty).</summary>
    public ushort Ftw;

    /// <summary>Last x87 opcode, 11 bits.</summary>
    public ushort Fop;

    public ushort FpuCs;
    public ushort FpuDs;
    public ulong FpuIp;
    public ulong FpuDp;

    /// <summary>
    /// Physical x87 registers R0..R7: 64-bit significand, then sign and exponent in the low 16 bits of the next quadword. MMn is the
    /// significand of Rn.
    /// </summary>
    public fixed ulong FpuRegisters[16];

    /// <summary>Halted, waiting for a start-up IPI, or running.</summary>
    public ActivityState Activity;

    /// <summary>Non-zero while interrupts are held off for one instruction after STI, MOV SS or POP SS.</summary>
    public InterruptShadow Shadow;

    /// <summary>NMIs are blocked from delivery of one until the next IRET.</summary>
    public byte NmiBlocked;

    /// <summary>An NMI is latched and waits.</summary>
    public byte NmiPending;

    private readonly uint _padding;

    /// <summary>A segment register by index, <see cref="SegmentIndex.Tr"/> included.</summary>
    [UnscopedRef]
    public ref SegmentState Segment(SegmentIndex index) => ref Unsafe.Add(ref Es, (int)index);

    /// <summary>The state after RESET or INIT. Intel SDM Vol. 3A, "Processor State After Reset".</summary>
    public static X86CpuState AtReset()
    {
        X86CpuState state = default;
        state.Gprs[Gpr.Rdx] = 0x000806EA;
        state.Rip = 0xFFF0;
        state.Rflags = RFlags.Reserved1;
        for (SegmentIndex index = SegmentIndex.Es; index <= SegmentIndex.Gs; index++)
        {
            state.Segment(index) = new SegmentState { Limit = 0xFFFF, Attributes = SegmentState.Present | SegmentState.NonSystem | 3 };
        }

        state.Cs.Selector = 0xF000;
        state.Cs.Base = 0xFFFF0000;
        state.Cs.Attributes = SegmentState.Present | SegmentState.NonSystem | SegmentState.Code | 3;
        state.Ldtr = new SegmentState { Limit = 0xFFFF, Attributes = SegmentState.Present | 2 };
        state.Tr = new SegmentState { Limit = 0xFFFF, Attributes = SegmentState.Present | 11 };
        state.Gdtr.Limit = 0xFFFF;
        state.Idtr.Limit = 0xFFFF;
        state.Cr0 = Registers.Cr0.ET | Registers.Cr0.NW | Registers.Cr0.CD;
        state.Xcr0 = 1;
        state.Dr6 = 0xFFFF0FF0;
        state.Dr7 = 0x400;
        state.Pat = 0x0007_0406_0007_0406;
        state.MiscEnable = 1;
        state.Mxcsr = 0x1F80;
        state.Fcw = 0x0040;
        state.Ftw = 0x5555;
        return state;
    }
}
