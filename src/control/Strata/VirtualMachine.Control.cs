using System.Diagnostics;
using Strata.Control;
using Strata.Machines.Boards;

namespace Strata;

/// <content>What others ask a running machine.</content>
public sealed partial class VirtualMachine
{
    private readonly long _startTicks = Stopwatch.GetTimestamp();

    /// <summary>Processors, interrupts and devices in detail; approximate, as the machine goes on meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed.</exception>
    public BoardInspection Inspect() => _board.Inspect();

    internal MachineDescription Describe(MachineReservation reservation) => new()
    {
        Name = reservation.Name,
        Image = reservation.Image,
        Engine = Engine,
        Processors = Spec.Processors,
        Memory = Spec.Memory,
        Started = Started,
        UptimeSeconds = Math.Round(Stopwatch.GetElapsedTime(_startTicks).TotalSeconds, 3),
        ProcessId = Environment.ProcessId,
        Forwards = [.. ForwardedPorts.Select(MachineForward.Of)],
    };
}
