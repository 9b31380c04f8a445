namespace Strata.X86.Paravirt;

/// <summary>
/// MSRs by which a guest places records in its memory. Linux kernel documentation, "KVM-specific MSRs".
/// <code>
///                 63..2 or 63..6               1..0
/// SystemTime     | address, 4-byte aligned   | 0 | on |
/// WallClock      | address, 4-byte aligned   | 0 |  0 |
/// StealTime      | address, 64-byte aligned  | 5..1: 0 | on |
/// EndOfInterrupt | address, 4-byte aligned   | 0 | on |
/// </code>
/// </summary>
public static class ParavirtMsr
{
    public const uint WallClockOld = 0x11;
    public const uint SystemTimeOld = 0x12;
    public const uint WallClock = 0x4B56_4D00;
    public const uint SystemTime = 0x4B56_4D01;
    public const uint StealTime = 0x4B56_4D03;
    public const uint EndOfInterrupt = 0x4B56_4D04;

    /// <summary>The lowest and highest of the range that KVM has for itself.</summary>
    public const uint First = 0x4B56_4D00;
    public const uint Last = 0x4B56_4DFF;

    internal const ulong Enable = 1;
    internal const ulong StealTimeReserved = 0x3E;
    internal const ulong EndOfInterruptReserved = 2;
}
