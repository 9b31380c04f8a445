using System.Diagnostics;
using Strata.Control;

namespace Strata;

/// <content>What others ask a running machine.</content>
public sealed partial class VirtualMachine
{
    private readonly long _startTicks = Stopwatch.GetTimestamp();

    /// <summary>Processors, interrupts and devices in detail; approximate, as the machine goes on meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed.</exception>
    public BoardInspection Inspect() => InspectionMapping.Of(_board.Inspect());

    /// <summary>Ports whose number the host chose, as `strata run --forward` takes them.</summary>
    public IReadOnlyList<MachineForward> ChosenForwards => [.. ForwardedPorts.Where(port => port.Forward.HostPort == 0).Select(MachineForward.Of)];

    private MachineDescription Describe() => new()
    {
        Name = Name,
        Image = Spec.Image ?? Path.GetFileName(Spec.Kernel!),
        Engine = Engine,
        Processors = Spec.Processors,
        Memory = Spec.Memory,
        Started = Started,
        UptimeSeconds = Math.Round(Stopwatch.GetElapsedTime(_startTicks).TotalSeconds, 3),
        ProcessId = Environment.ProcessId,
        Forwards = [.. ForwardedPorts.Select(MachineForward.Of)],
    };
}
