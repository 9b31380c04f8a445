namespace Strata.Devices.Timers;

/// <summary>
/// Registers of the high-precision event timers. Intel/Microsoft, <i>IA-PC HPET Specification</i> 1.0a, chapter 2.3 "Register Definition".
/// <code>
/// 000 GENERAL_CAP_ID 63:32 COUNTER_CLK_PERIOD (fs) 31:16 VENDOR_ID 15 LEG_RT_CAP 13 COUNT_SIZE_CAP 12:8 NUM_TIM_CAP 7:0 REV_ID
/// 010 GENERAL_CONFIG       1 LEG_RT_CNF   0 ENABLE_CNF
/// 020 GENERAL_INT_STATUS   n Tn_INT_STS (write 1 to clear)
/// 0F0 MAIN_COUNTER_VAL
/// 100 + 20n TIMn_CONF_CAP  63:32 INT_ROUTE_CAP   15 FSB_INT_DEL_CAP   14 FSB_EN_CNF   13:9 INT_ROUTE_CNF   8 32MODE_CNF
///                          6 VAL_SET_CNF   5 SIZE_CAP   4 PER_INT_CAP   3 TYPE_CNF   2 INT_ENB_CNF   1 INT_TYPE_CNF
/// 108 + 20n TIMn_COMP
/// 110 + 20n TIMn_FSB_INT_ROUTE (not there: FSB_INT_DEL_CAP is 0)
/// </code>
/// </summary>
internal static class HpetRegisters
{
    public const int GENERAL_CAP_ID = 0x000;
    public const int GENERAL_CONFIG = 0x010;
    public const int GENERAL_INT_STATUS = 0x020;
    public const int MAIN_COUNTER_VAL = 0x0F0;
    public const int FirstTimer = 0x100;
    public const int TimerStride = 0x20;
    public const int TIM_CONF_CAP = 0x00;
    public const int TIM_COMP = 0x08;

    public const ulong ENABLE_CNF = 1 << 0;
    public const ulong LEG_RT_CNF = 1 << 1;
    public const ulong ConfigWritable = ENABLE_CNF | LEG_RT_CNF;

    public const ulong INT_TYPE_CNF = 1 << 1;
    public const ulong INT_ENB_CNF = 1 << 2;
    public const ulong TYPE_CNF = 1 << 3;
    public const ulong PER_INT_CAP = 1 << 4;
    public const ulong SIZE_CAP = 1 << 5;
    public const ulong VAL_SET_CNF = 1 << 6;
    public const ulong MODE32_CNF = 1 << 8;
    public const int IntRouteShift = 9;
    public const ulong INT_ROUTE_CNF = 0x1FUL << IntRouteShift;
    public const int IntRouteCapShift = 32;
    public const ulong TimerWritable = INT_TYPE_CNF | INT_ENB_CNF | TYPE_CNF | VAL_SET_CNF | MODE32_CNF | INT_ROUTE_CNF;

    /// <summary>Nanoseconds of a tick: 100 MHz.</summary>
    public const int TickLength = 10;

    private const ulong FemtosecondsPerNanosecond = 1_000_000;
    private const ulong Vendor = 0x8086;
    private const ulong Revision = 1;
    private const ulong LEG_RT_CAP = 1 << 15;
    private const ulong COUNT_SIZE_CAP = 1 << 13;

    /// <summary>What <see cref="GENERAL_CAP_ID"/> says; its low half is the event timer block's ID in the ACPI table.</summary>
    public const ulong Capabilities = ((TickLength * FemtosecondsPerNanosecond) << 32) | (Vendor << 16) | LEG_RT_CAP | COUNT_SIZE_CAP
        | ((ulong)(Hpet.TimerCount - 1) << 8) | Revision;
}
