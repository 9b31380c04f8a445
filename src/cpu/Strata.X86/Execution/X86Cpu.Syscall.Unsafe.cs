using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>Fast system calls. Intel SDM Vol. 2B, "SYSCALL", "SYSRET", "SYSENTER" and "SYSEXIT".</summary>
public sealed unsafe partial class X86Cpu
{
    private const uint FlatCode = SegmentState.Present | SegmentState.NonSystem | SegmentState.Code
        | SegmentState.ReadableOrWritable | SegmentState.Accessed | SegmentState.Granularity;

    private const uint FlatData = SegmentState.Present | SegmentState.NonSystem | SegmentState.ReadableOrWritable
        | SegmentState.Accessed | SegmentState.Granularity | SegmentState.Big;

    public bool TrySyscall()
    {
        ref X86CpuState s = ref Context->State;
        if ((s.EferMsr & Efer.SCE) == 0 || !Is64Bit)
        {
            return Raise(ExceptionVector.InvalidOpcode); // as Intel: 64-bit mode only
        }

        s.Gprs[Gpr.Rcx] = s.Rip;
        s.Gprs[11] = Rflags & ~RFlags.RF;
        s.Rip = s.Lstar;
        _singleStepDropped = (s.Rflags & s.Sfmask & RFlags.TF) != 0;
        WriteFlags(0, s.Sfmask | RFlags.RF);
        FindSyscallSegments(s.Star, out s.Cs, out s.Ss);
        Context->Cpl = 0;
        UpdateMode();
        return true;
    }

    /// <param name="to64Bit">REX.W: return to 64-bit mode.</param>
    public bool TrySysret(bool to64Bit)
    {
        ref X86CpuState s = ref Context->State;
        if ((s.EferMsr & Efer.SCE) == 0 || !Is64Bit)
        {
            return Raise(ExceptionVector.InvalidOpcode);
        }

        if (Cpl != 0 || (to64Bit && !IsCanonical(s.Gprs[Gpr.Rcx])))
        {
            return RaiseGeneralProtection();
        }

        s.Rip = to64Bit ? s.Gprs[Gpr.Rcx] : (uint)s.Gprs[Gpr.Rcx];
        Rflags = s.Gprs[11] & (RFlags.Defined & ~(RFlags.RF | RFlags.VM));
        FindSysretSegments(s.Star, to64Bit, out s.Cs, out s.Ss);
        Context->Cpl = 3;
        UpdateMode();
        return true;
    }

    /// <summary>What SYSCALL loads, by the STAR register.</summary>
    public static void FindSyscallSegments(ulong star, out SegmentState cs, out SegmentState ss)
    {
        ushort selector = (ushort)((star >> 32) & SelectorIndexMask);
        cs = Flat(selector, FlatCode | SegmentState.Long, 0);
        ss = Flat((ushort)(selector + 8), FlatData, 0);
    }

    /// <summary>What SYSRET loads, by the STAR register.</summary>
    public static void FindSysretSegments(ulong star, bool to64Bit, out SegmentState cs, out SegmentState ss)
    {
        ushort selector = (ushort)(star >> 48);
        cs = Flat((ushort)((selector + (to64Bit ? 16 : 0)) | 3), FlatCode | (to64Bit ? SegmentState.Long : SegmentState.Big), 3);
        ss = Flat((ushort)((selector + 8) | 3), FlatData, 3);
    }

    public bool TrySysenter()
    {
        ref X86CpuState s = ref Context->State;
        if ((s.Cr0 & Cr0.PE) == 0 || !IsSysenterEnabled(s.SysenterCs))
        {
            return RaiseGeneralProtection();
        }

        bool longMode = IsLongMode;
        WriteFlags(0, RFlags.VM | RFlags.IF | RFlags.RF);
        FindSysenterSegments(s.SysenterCs, longMode, out s.Cs, out s.Ss);
        s.Gprs[Gpr.Rsp] = longMode ? s.SysenterEsp : (uint)s.SysenterEsp;
        s.Rip = longMode ? s.SysenterEip : (uint)s.SysenterEip;
        Context->Cpl = 0;
        UpdateMode();
        return true;
    }

    public bool TrySysexit(bool to64Bit)
    {
        ref X86CpuState s = ref Context->State;
        if ((s.Cr0 & Cr0.PE) == 0 || !IsSysenterEnabled(s.SysenterCs) || Cpl != 0
            || (to64Bit && (!IsCanonical(s.Gprs[Gpr.Rdx]) || !IsCanonical(s.Gprs[Gpr.Rcx]))))
        {
            return RaiseGeneralProtection();
        }

        FindSysexitSegments(s.SysenterCs, to64Bit, out s.Cs, out s.Ss);
        s.Gprs[Gpr.Rsp] = to64Bit ? s.Gprs[Gpr.Rcx] : (uint)s.Gprs[Gpr.Rcx];
        s.Rip = to64Bit ? s.Gprs[Gpr.Rdx] : (uint)s.Gprs[Gpr.Rdx];
        Context->Cpl = 3;
        UpdateMode();
        return true;
    }

    /// <summary>SYSENTER and SYSEXIT fault with a null selector in their MSR.</summary>
    public static bool IsSysenterEnabled(ulong sysenterCs) => (sysenterCs & SelectorIndexMask) != 0;

    /// <summary>What SYSENTER loads, by the IA32_SYSENTER_CS register.</summary>
    public static void FindSysenterSegments(ulong sysenterCs, bool to64Bit, out SegmentState cs, out SegmentState ss)
    {
        ushort selector = (ushort)(sysenterCs & SelectorIndexMask);
        cs = Flat(selector, FlatCode | (to64Bit ? SegmentState.Long : SegmentState.Big), 0);
        ss = Flat((ushort)(selector + 8), FlatData, 0);
    }

    /// <summary>What SYSEXIT loads, by the IA32_SYSENTER_CS register.</summary>
    public static void FindSysexitSegments(ulong sysenterCs, bool to64Bit, out SegmentState cs, out SegmentState ss)
    {
        int selector = (int)(sysenterCs & SelectorIndexMask) + (to64Bit ? 32 : 16);
        cs = Flat((ushort)(selector | 3), FlatCode | (to64Bit ? SegmentState.Long : SegmentState.Big), 3);
        ss = Flat((ushort)((selector + 8) | 3), FlatData, 3);
    }

    private static SegmentState Flat(ushort selector, uint attributes, uint dpl) => new()
    {
        Selector = selector,
        Limit = uint.MaxValue,
        Attributes = attributes | (dpl << SegmentState.DplShift),
    };
}
