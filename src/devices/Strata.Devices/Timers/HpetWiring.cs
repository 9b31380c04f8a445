using Strata.Core.Interrupts;

namespace Strata.Devices.Timers;

/// <summary>Where the interrupts of an <see cref="Hpet"/> lead.</summary>
public sealed record HpetWiring
{
    /// <summary>The interval timer's wire, for timer 0 with legacy replacement.</summary>
    public required LegacyInterruptSwitch IntervalTimer { get; init; }

    /// <summary>The real-time clock's wire, for timer 1 with legacy replacement.</summary>
    public required LegacyInterruptSwitch RealTimeClock { get; init; }

    /// <summary>Inputs of the I/O APIC that a guest may route a timer to, by their number, 0 to 31.</summary>
    public required IReadOnlyDictionary<int, InterruptLine> Routes { get; init; }
}
