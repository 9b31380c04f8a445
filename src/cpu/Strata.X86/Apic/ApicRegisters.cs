namespace Strata.X86.Apic;

/// <summary>
/// Register offsets of the local APIC (bytes in its page; the x2APIC MSR is 0x800 + offset / 16). Intel SDM Vol. 3A, "Local APIC Register
/// Address Map".
/// <code>
/// LVT entry   31..19  18..17     16     15     14          13        12      11  10..8     7..0
///            |  0   | timer mode|mask|trigger|remote IRR|polarity|pending|  0 |delivery| vector |
/// ICR low     31..20  19..18     15     14     12      11          10..8      7..0
///            |  0   | shorthand|trigger|level|pending|logical dest|delivery | vector |
/// </code>
/// </summary>
internal static class ApicRegisters
{
    public const uint Id = 0x20;
    public const uint Version = 0x30;
    public const uint TaskPriority = 0x80;
    public const uint ArbitrationPriority = 0x90;
    public const uint ProcessorPriority = 0xA0;
    public const uint Eoi = 0xB0;
    public const uint RemoteRead = 0xC0;
    public const uint LogicalDestination = 0xD0;
    public const uint DestinationFormat = 0xE0;
    public const uint SpuriousVector = 0xF0;
    public const uint InService = 0x100;
    public const uint TriggerMode = 0x180;
    public const uint InterruptRequest = 0x200;
    public const uint ErrorStatus = 0x280;
    public const uint LvtCmci = 0x2F0;
    public const uint InterruptCommandLow = 0x300;
    public const uint InterruptCommandHigh = 0x310;
    public const uint LvtTimer = 0x320;
    public const uint LvtThermal = 0x330;
    public const uint LvtPerformance = 0x340;
    public const uint LvtLint0 = 0x350;
    public const uint LvtLint1 = 0x360;
    public const uint LvtError = 0x370;
    public const uint InitialCount = 0x380;
    public const uint CurrentCount = 0x390;
    public const uint DivideConfiguration = 0x3E0;
    public const uint SelfIpi = 0x3F0;

    /// <summary>Version 0x15, six LVT entries, EOI-broadcast suppression not supported.</summary>
    public const uint VersionValue = 0x0005_0015;

    public const uint LvtMasked = 1 << 16;
    public const uint LvtReadOnly = (1 << 14) | (1 << 12);
    public const uint LvtTimerModeMask = 3 << 17;
    public const uint LvtTimerPeriodic = 1 << 17;
    public const uint LvtTimerDeadline = 2 << 17;
    public const uint SoftwareEnable = 1 << 8;

    public const ulong BaseBsp = 1 << 8;
    public const ulong BaseX2Apic = 1 << 10;
    public const ulong BaseEnable = 1 << 11;

    /// <summary>Reserved bits of the x2APIC ICR: 31..20, 17..16 and 13.</summary>
    public const ulong CommandReserved = 0xFFF3_2000;

    public const uint ErrorSendIllegalVector = 1 << 5;
    public const uint ErrorReceiveIllegalVector = 1 << 6;

    /// <summary>The bits of a writable register that mean something, read-only ones among them; the others are reserved.</summary>
    public static uint DefinedBits(uint offset) => offset switch
    {
        TaskPriority or SelfIpi => 0xFF,
        SpuriousVector => 0x3FF,
        LvtTimer => 0x7_10FF,
        LvtError => 0x1_10FF,
        LvtLint0 or LvtLint1 => 0x1_F7FF,
        LvtCmci or LvtThermal or LvtPerformance => 0x1_17FF,
        InitialCount => uint.MaxValue,
        DivideConfiguration => 0xB,
        _ => 0,
    };
}

/// <summary>Delivery modes of LVT entries, the ICR, I/O APIC entries and MSIs.</summary>
public enum DeliveryMode : byte
{
    Fixed = 0,
    LowestPriority = 1,
    Smi = 2,
    Nmi = 4,
    Init = 5,
    Startup = 6,
    ExtInt = 7,
}
