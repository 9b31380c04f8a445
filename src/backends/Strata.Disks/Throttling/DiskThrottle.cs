namespace Strata.Disks.Throttling;

/// <summary>Upper bounds on what a guest may do with a disk. Each allows bursts of one second's worth.</summary>
/// <param name="BytesPerSecond">Read and written together; null for no bound.</param>
/// <param name="OperationsPerSecond">Reads, writes, flushes and discards together; null for no bound.</param>
public sealed record DiskThrottle(long? BytesPerSecond = null, long? OperationsPerSecond = null);
