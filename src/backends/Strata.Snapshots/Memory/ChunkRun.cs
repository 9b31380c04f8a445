namespace Strata.Snapshots.Memory;

/// <summary>Neighbouring chunks of one layer.</summary>
/// <param name="Offset">Bytes from the start of the memory, and of the layer.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Layer"><see cref="ChunkMap.Zeros"/>, or the layer's number, from 1.</param>
public readonly record struct ChunkRun(ulong Offset, ulong Length, ushort Layer);
