namespace Strata.X86.Paravirt;

/// <summary>
/// What CPUID leaf 40000001H, EAX, offers a guest that was built for KVM. Linux kernel documentation, "KVM CPUID bits".
/// </summary>
[Flags]
public enum ParavirtFeatures : uint
{
    None = 0,

    /// <summary>The clock by <see cref="ParavirtMsr.WallClockOld"/> and <see cref="ParavirtMsr.SystemTimeOld"/>.</summary>
    ClockOld = 1 << 0,

    /// <summary>Port accesses need no delay between them.</summary>
    NoPortDelay = 1 << 1,

    /// <summary>The clock by <see cref="ParavirtMsr.WallClock"/> and <see cref="ParavirtMsr.SystemTime"/>.</summary>
    Clock = 1 << 3,

    /// <summary><see cref="ParavirtMsr.StealTime"/>.</summary>
    StealTime = 1 << 5,

    /// <summary><see cref="ParavirtMsr.EndOfInterrupt"/>.</summary>
    EndOfInterrupt = 1 << 6,

    /// <summary><see cref="Hypercall.KickCpu"/> ends a halt.</summary>
    Unhalt = 1 << 7,

    /// <summary><see cref="Hypercall.SendIpi"/>.</summary>
    SendIpi = 1 << 11,

    /// <summary><see cref="Hypercall.SchedYield"/>.</summary>
    SchedYield = 1 << 13,

    /// <summary>MSI addresses carry seven further bits of the destination.</summary>
    WideMsiDestination = 1 << 15,

    /// <summary>The clocks of several processors never disagree: they need no common maximum.</summary>
    StableClock = 1 << 24,

    /// <summary>What a processor of this monitor can do, all engines but KVM.</summary>
    All = WithoutHypercalls | Unhalt | SendIpi | SchedYield | StableClock,

    /// <summary>
    /// What remains on the KVM engine: the host's kernel answers hypercalls by itself there, for interrupt controllers that are not
    /// the machine's, and the processors' counters are its own, apart by microseconds.
    /// </summary>
    WithoutHypercalls = ClockOld | NoPortDelay | Clock | StealTime | EndOfInterrupt | WideMsiDestination,
}
