using Microsoft.Win32.SafeHandles;

namespace Strata.Core.Memory;

/// <summary>A part of a file that a memory begins with.</summary>
/// <param name="Offset">Where in the memory; bytes, a multiple of 4 KiB, as are the others.</param>
/// <param name="Length">Bytes.</param>
/// <param name="File">Open for reading.</param>
/// <param name="FileOffset">Where in the file.</param>
public readonly record struct MemoryPiece(ulong Offset, ulong Length, SafeFileHandle File, ulong FileOffset);
