namespace Strata.Core.Memory;

/// <summary>RAM as a PC has it: one memory from guest-physical address zero on, and its rest above a hole for devices.</summary>
/// <param name="Memory">The mapping; offset 0 is address 0.</param>
/// <param name="LowSize">Bytes below the hole.</param>
/// <param name="HighStart">Guest-physical address of the offset <paramref name="LowSize"/>; zero if nothing lies above the hole.</param>
/// <param name="Size">Bytes of both pieces.</param>
public readonly record struct FlatRam(GuestMemory Memory, ulong LowSize, ulong HighStart, ulong Size);
