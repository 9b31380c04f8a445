using Strata.Core.Bus;
using Strata.Core.Time;
using Strata.Devices.Power;
using Strata.X86.Apic;

namespace Strata.Machines.Boards;

/// <summary>What the parts of a board share: the buses, time, and the machine as a whole.</summary>
/// <param name="Wall">The date and the time of day, which follow from <paramref name="Clock"/>.</param>
/// <param name="Control">Hears of power-off, reset and exit.</param>
/// <param name="Apics">Carries interrupt messages to the processors.</param>
internal sealed record BoardWiring(
    PcBoardOptions Options, AddressSpace Memory, PortSpace Ports, IVirtualClock Clock, WallClock Wall, ApicBus Apics,
    IMachineControl Control);
