namespace Strata.X86.Paravirt;

/// <summary>
/// Calls to the monitor: number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX. Linux kernel documentation, "KVM hypercalls".
/// </summary>
public static class Hypercall
{
    /// <summary>Looks for interrupts; the exit is all that it takes.</summary>
    public const ulong PollInterrupts = 1;

    /// <summary>Ends the halt, or the next one, of the processor whose APIC ID RCX is.</summary>
    public const ulong KickCpu = 5;

    /// <summary>The world's time and the TSC at the same moment, into a record at RBX; RCX is 0 for the wall clock.</summary>
    public const ulong ClockPairing = 9;

    /// <summary>An interrupt to the processors in a bitmap (RBX low, RCX high half) that starts at APIC ID RDX; RSI is the ICR.</summary>
    public const ulong SendIpi = 10;

    /// <summary>Lets other threads of the host go first.</summary>
    public const ulong SchedYield = 11;

    internal const long NotPermitted = -1;
    internal const long BadAddress = -14;
    internal const long BadArgument = -22;
    internal const long NotSupported = -95;
    internal const long NoSuchCall = -1000;
}
