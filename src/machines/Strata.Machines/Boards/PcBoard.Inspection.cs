namespace Strata.Machines.Boards;

/// <content>Looking inside.</content>
public sealed partial class PcBoard
{
    /// <summary>Processors, interrupts and devices; approximate while the machine runs.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed: the memory that its queues lie in is gone.</exception>
    public BoardInspection Inspect()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return new BoardInspection
            {
                Processors = [.. _processors!.All.Select(processor => processor.Inspect())],
                Resets = Resets,
                InterruptPins = _chipset.IoApic.Inspect(),
                Devices = _devices!.Inspect(),
            };
        }
    }
}
