using Strata.Virtio.Transport;

namespace Strata.Machines.Boards;

/// <content>Looking inside.</content>
public sealed partial class PcBoard
{
    /// <summary>Processors, interrupts and devices; approximate while the machine runs.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed: the memory that its queues lie in is gone.</exception>
    public BoardInspection Inspect()
    {
        lock (_engineGate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new BoardInspection
            {
                Processors = [.. _vcpus.Select(vcpu => new ProcessorInspection(vcpu.Engine.Index, vcpu.InstructionsExecuted, vcpu.Engine.DescribeCounters()))],
                InterruptPins = _ioApic.Inspect(),
                Devices = [.. _pci!.Functions.Select(place => new DeviceInspection(
                    place.Slot, place.Number, place.Function.Inspect(), (place.Function as VirtioPci)?.InspectVirtio()))],
            };
        }
    }
}
