using Strata.Core.Bus;
using Strata.Core.Time;

namespace Strata.X86.Execution;

/// <summary>What a board gives a processor.</summary>
public sealed class X86CpuWiring
{
    /// <summary>Zero-based index in the machine.</summary>
    public required int Index { get; init; }

    public required AddressSpace Memory { get; init; }

    public required PortSpace Ports { get; init; }

    public required IVirtualClock Clock { get; init; }
}
