namespace Strata.X86.Registers;

/// <summary>Model-specific registers. Intel SDM Vol. 4.</summary>
public static class Msr
{
    public const uint IA32_TSC = 0x10;
    public const uint IA32_PLATFORM_ID = 0x17;
    public const uint IA32_APIC_BASE = 0x1B;
    public const uint IA32_FEATURE_CONTROL = 0x3A;
    public const uint IA32_TSC_ADJUST = 0x3B;
    public const uint IA32_SPEC_CTRL = 0x48;
    public const uint IA32_PRED_CMD = 0x49;
    public const uint IA32_BIOS_UPDT_TRIG = 0x79;
    public const uint IA32_BIOS_SIGN_ID = 0x8B;
    public const uint MSR_PLATFORM_INFO = 0xCE;
    public const uint IA32_MTRRCAP = 0xFE;
    public const uint IA32_ARCH_CAPABILITIES = 0x10A;
    public const uint IA32_FLUSH_CMD = 0x10B;
    public const uint IA32_SYSENTER_CS = 0x174;
    public const uint IA32_SYSENTER_ESP = 0x175;
    public const uint IA32_SYSENTER_EIP = 0x176;
    public const uint IA32_MCG_CAP = 0x179;
    public const uint IA32_MCG_STATUS = 0x17A;
    public const uint IA32_MISC_ENABLE = 0x1A0;
    public const uint IA32_MTRR_PHYSBASE0 = 0x200;
    public const uint IA32_MTRR_PHYSMASK7 = 0x20F;
    public const uint IA32_MTRR_FIX64K_00000 = 0x250;
    public const uint IA32_MTRR_FIX16K_80000 = 0x258;
    public const uint IA32_MTRR_FIX16K_A0000 = 0x259;
    public const uint IA32_MTRR_FIX4K_C0000 = 0x268;
    public const uint IA32_MTRR_FIX4K_F8000 = 0x26F;
    public const uint IA32_PAT = 0x277;
    public const uint IA32_MTRR_DEF_TYPE = 0x2FF;
    public const uint IA32_TSC_DEADLINE = 0x6E0;
    public const uint X2ApicFirst = 0x800;
    public const uint X2ApicLast = 0x8FF;
    public const uint IA32_EFER = 0xC0000080;
    public const uint IA32_STAR = 0xC0000081;
    public const uint IA32_LSTAR = 0xC0000082;
    public const uint IA32_CSTAR = 0xC0000083;
    public const uint IA32_FMASK = 0xC0000084;
    public const uint IA32_FS_BASE = 0xC0000100;
    public const uint IA32_GS_BASE = 0xC0000101;
    public const uint IA32_KERNEL_GS_BASE = 0xC0000102;
    public const uint IA32_TSC_AUX = 0xC0000103;
}
