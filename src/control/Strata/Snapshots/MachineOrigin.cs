using Microsoft.Extensions.Logging;
using Strata.Core.Execution;
using Strata.Snapshots.Memory;

namespace Strata.Snapshots;

/// <summary>What a machine is made from: nothing but its specification, or a snapshot.</summary>
internal sealed record MachineOrigin
{
    /// <summary>What the guest is started from, now or after a reset.</summary>
    public required BootFiles Boot { get; init; }

    /// <summary>The ROMs of a machine that firmware starts; null for another.</summary>
    public FirmwareRoms? Firmware { get; init; }

    /// <summary>Opens a disk, given its place in the specification.</summary>
    public Func<DiskSpec, int, ILogger, MachineDisk> OpenDisk { get; init; } = (disk, _, log) => MachineDisk.Open(disk, log);

    /// <summary>Opens what an engine of this identity has made of the code in memory; null for nothing.</summary>
    public Func<ReadOnlyMemory<byte>, ILogger, IKeptCode?>? OpenKeptCode { get; init; }

    /// <summary>What memory begins with; null for a guest that is loaded.</summary>
    public MemoryImage? Memory { get; init; }
}
