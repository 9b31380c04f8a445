namespace Strata.Core.Memory;

/// <summary>One 4 KiB page of guest RAM or ROM: the memory it belongs to and its index there.</summary>
/// <param name="Memory">The mapping.</param>
/// <param name="Index">Page number inside <paramref name="Memory"/>, in units of 4 KiB.</param>
/// <param name="ReadOnly">ROM: guest writes are ignored.</param>
public readonly record struct RamPage(GuestMemory Memory, ulong Index, bool ReadOnly);
