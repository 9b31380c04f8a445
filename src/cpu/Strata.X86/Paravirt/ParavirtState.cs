namespace Strata.X86.Paravirt;

/// <summary>
/// What a processor knows of the records that its guest placed: saved with the processor's state. The records themselves are guest
/// memory.
/// </summary>
/// <param name="SystemTime"><see cref="ParavirtMsr.SystemTime"/>, whichever of the two numbers it was written by.</param>
/// <param name="WallClock"><see cref="ParavirtMsr.WallClock"/>.</param>
/// <param name="StealTime"><see cref="ParavirtMsr.StealTime"/>.</param>
/// <param name="EndOfInterrupt"><see cref="ParavirtMsr.EndOfInterrupt"/>.</param>
/// <param name="IsKicked">A <see cref="Hypercall.KickCpu"/> waits for a halt.</param>
public readonly record struct ParavirtState(ulong SystemTime, ulong WallClock, ulong StealTime, ulong EndOfInterrupt, bool IsKicked);
