namespace Strata.Devices.Interrupts;

/// <summary>A pin of the I/O APIC, for people and tools.</summary>
/// <param name="Vector">Where the guest's operating system wants it.</param>
/// <param name="IsLevel">Level-triggered; otherwise by edges.</param>
/// <param name="IsHigh">The wire is active now.</param>
/// <param name="Sent">Interrupts sent so far.</param>
public sealed record InterruptPinInspection(int Pin, byte Vector, bool IsMasked, bool IsLevel, bool IsHigh, long Sent);
