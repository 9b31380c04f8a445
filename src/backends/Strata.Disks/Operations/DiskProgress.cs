namespace Strata.Disks.Operations;

/// <summary>How far a long operation on a disk is.</summary>
/// <param name="Done">Bytes of the disk that are done.</param>
/// <param name="Total">Bytes of the disk.</param>
public readonly record struct DiskProgress(long Done, long Total);
