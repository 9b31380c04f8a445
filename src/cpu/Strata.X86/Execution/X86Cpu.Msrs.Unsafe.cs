using Strata.X86.Registers;

namespace Strata.X86.Execution;

/// <summary>RDMSR and WRMSR. An index that does not exist, or a value with reserved bits, is #GP(0).</summary>
public sealed unsafe partial class X86Cpu
{
    private const ulong MtrrCapabilities = 8 | (1 << 8) | (1 << 10);
    private const ulong FeatureControlLocked = 1;
    private const ulong MicrocodeRevision = 0x1UL << 32;

    /// <summary>The time-stamp counter as the guest sees it.</summary>
    public ulong ReadTsc() => TscAt(Wiring.Clock.Now);

    /// <summary>The same at a virtual time, in ns.</summary>
    internal ulong TscAt(long now) => Wiring.Cpuid.ToTsc(now) + Context->State.TscOffset;

    public bool TryReadMsr(uint index, out ulong value)
    {
        ref X86CpuState s = ref Context->State;
        switch (index)
        {
            case Msr.IA32_TSC: value = ReadTsc(); return true;
            case Msr.IA32_TSC_ADJUST: value = s.TscAdjust; return true;
            case Msr.IA32_APIC_BASE: value = Wiring.LocalApic?.BaseMsr ?? 0; return true;
            case Msr.IA32_FEATURE_CONTROL: value = FeatureControlLocked; return true;
            case Msr.IA32_SPEC_CTRL: value = s.SpecCtrl; return true;
            case Msr.IA32_ARCH_CAPABILITIES: value = Wiring.Cpuid.ArchCapabilities; return true;
            case Msr.IA32_BIOS_SIGN_ID: value = MicrocodeRevision; return true;
            case Msr.MSR_PLATFORM_INFO: value = Wiring.Cpuid.TscFrequency / 100_000_000 << 8; return true;
            case Msr.IA32_PLATFORM_ID or Msr.IA32_MCG_CAP or Msr.IA32_MCG_STATUS: value = 0; return true;
            case Msr.IA32_MISC_ENABLE: value = s.MiscEnable; return true;
            case Msr.IA32_SYSENTER_CS: value = s.SysenterCs; return true;
            case Msr.IA32_SYSENTER_ESP: value = s.SysenterEsp; return true;
            case Msr.IA32_SYSENTER_EIP: value = s.SysenterEip; return true;
            case Msr.IA32_PAT: value = s.Pat; return true;
            case Msr.IA32_MTRRCAP: value = MtrrCapabilities; return true;
            case Msr.IA32_MTRR_DEF_TYPE: value = s.MtrrDefaultType; return true;
            case Msr.IA32_EFER: value = s.EferMsr; return true;
            case Msr.IA32_STAR: value = s.Star; return true;
            case Msr.IA32_LSTAR: value = s.Lstar; return true;
            case Msr.IA32_CSTAR: value = s.Cstar; return true;
            case Msr.IA32_FMASK: value = s.Sfmask; return true;
            case Msr.IA32_FS_BASE: value = s.Fs.Base; return true;
            case Msr.IA32_GS_BASE: value = s.Gs.Base; return true;
            case Msr.IA32_KERNEL_GS_BASE: value = s.KernelGsBase; return true;
            case Msr.IA32_TSC_AUX: value = s.TscAux; return true;
            case >= Msr.IA32_MTRR_PHYSBASE0 and <= Msr.IA32_MTRR_PHYSMASK7:
                value = s.MtrrVariable[index - Msr.IA32_MTRR_PHYSBASE0];
                return true;
            case Msr.IA32_TSC_DEADLINE or (>= Msr.X2ApicFirst and <= Msr.X2ApicLast) when Wiring.LocalApic is { } apic:
                return apic.TryReadMsr(index, out value) || RaiseGeneralProtection();
            default:
                if (TryGetFixedMtrr(index, out int slot))
                {
                    value = s.MtrrFixed[slot];
                    return true;
                }

                value = 0;
                return (Wiring.Hypercalls?.TryReadMsr(index, out value) ?? false) || RaiseGeneralProtection();
        }
    }

    public bool TryWriteMsr(uint index, ulong value)
    {
        ref X86CpuState s = ref Context->State;
        switch (index)
        {
            case Msr.IA32_TSC: SetTsc(value); return true;
            case Msr.IA32_TSC_ADJUST:
                MoveTsc(value - s.TscAdjust);
                s.TscAdjust = value;
                return true;
            case Msr.IA32_APIC_BASE:
                Context->EndBlock = 1;
                return (Wiring.LocalApic?.TryWriteBase(value) ?? false) || RaiseGeneralProtection();
            case Msr.IA32_SPEC_CTRL: return TrySet(ref s.SpecCtrl, value, 7);
            case Msr.IA32_PRED_CMD: return (value & ~1UL) == 0 || RaiseGeneralProtection();
            case Msr.IA32_BIOS_SIGN_ID or Msr.IA32_BIOS_UPDT_TRIG or Msr.IA32_MCG_STATUS: return true;
            case Msr.IA32_MISC_ENABLE: s.MiscEnable = value; return true;
            case Msr.IA32_SYSENTER_CS: s.SysenterCs = value; return true;
            case Msr.IA32_SYSENTER_ESP: return TrySetAddress(ref s.SysenterEsp, value);
            case Msr.IA32_SYSENTER_EIP: return TrySetAddress(ref s.SysenterEip, value);
            case Msr.IA32_PAT: return TryWritePat(value);
            case Msr.IA32_MTRR_DEF_TYPE: return TrySet(ref s.MtrrDefaultType, value, 0xCFF);
            case Msr.IA32_EFER: return TryWriteEfer(value);
            case Msr.IA32_STAR: s.Star = value; return true;
            case Msr.IA32_LSTAR: return TrySetAddress(ref s.Lstar, value);
            case Msr.IA32_CSTAR: return TrySetAddress(ref s.Cstar, value);
            case Msr.IA32_FMASK: return TrySet(ref s.Sfmask, value, uint.MaxValue);
            case Msr.IA32_FS_BASE: return TrySetAddress(ref s.Fs.Base, value);
            case Msr.IA32_GS_BASE: return TrySetAddress(ref s.Gs.Base, value);
            case Msr.IA32_KERNEL_GS_BASE: return TrySetAddress(ref s.KernelGsBase, value);
            case Msr.IA32_TSC_AUX: return TrySet(ref s.TscAux, value, uint.MaxValue);
            case >= Msr.IA32_MTRR_PHYSBASE0 and <= Msr.IA32_MTRR_PHYSMASK7:
                s.MtrrVariable[index - Msr.IA32_MTRR_PHYSBASE0] = value;
                return true;
            case Msr.IA32_TSC_DEADLINE or (>= Msr.X2ApicFirst and <= Msr.X2ApicLast) when Wiring.LocalApic is { } apic:
                Context->EndBlock = 1;
                return apic.TryWriteMsr(index, value) || RaiseGeneralProtection();
            default:
                if (TryGetFixedMtrr(index, out int slot))
                {
                    s.MtrrFixed[slot] = value;
                    return true;
                }

                Context->EndBlock = 1; // what it writes may lie in a page of code
                return (Wiring.Hypercalls?.TryWriteMsr(this, index, value) ?? false) || RaiseGeneralProtection();
        }
    }

    private void SetTsc(ulong value)
    {
        ref X86CpuState s = ref Context->State;
        ulong delta = value - ReadTsc();
        MoveTsc(delta);
        s.TscAdjust += delta;
    }

    private bool TrySet(ref ulong register, ulong value, ulong allowed)
    {
        if ((value & ~allowed) != 0)
        {
            return RaiseGeneralProtection();
        }

        register = value;
        return true;
    }

    private bool TrySetAddress(ref ulong register, ulong value)
    {
        if (!IsSignExtended(value))
        {
            return RaiseGeneralProtection();
        }

        register = value;
        return true;
    }

    private bool TryWritePat(ulong value)
    {
        if (!IsPat(value))
        {
            return RaiseGeneralProtection();
        }

        Context->State.Pat = value;
        return true;
    }

    private static bool IsPat(ulong value)
    {
        for (int i = 0; i < 64; i += 8)
        {
            if ((byte)(value >> i) is 2 or 3 or > 7)
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryGetFixedMtrr(uint index, out int slot)
    {
        slot = index switch
        {
            Msr.IA32_MTRR_FIX64K_00000 => 0,
            Msr.IA32_MTRR_FIX16K_80000 => 1,
            Msr.IA32_MTRR_FIX16K_A0000 => 2,
            >= Msr.IA32_MTRR_FIX4K_C0000 and <= Msr.IA32_MTRR_FIX4K_F8000 => (int)(index - Msr.IA32_MTRR_FIX4K_C0000) + 3,
            _ => -1,
        };
        return slot >= 0;
    }
}
