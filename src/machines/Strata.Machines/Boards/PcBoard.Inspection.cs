namespace Strata.Machines.Boards;

/// <content>Looking inside.</content>
public sealed partial class PcBoard
{
    /// <summary>
    /// Whether the guest sleeps: suspended to memory, which is certain, or to idle, where every processor is halted, and the drivers, which
    /// had virtio devices, have reset all of them, as they do before they suspend. A guest that unloads its drivers and idles looks the
    /// same. Approximate, as a sleeping processor wakes now and then for a moment.
    /// </summary>
    public bool IsAsleep => !Exit.IsCompleted
        && (IsSuspendedToMemory || (HasSuspendedDevices && _processors!.All.All(processor => processor.Thread.IsHalted)));

    /// <summary>Whether the guest is suspended to memory (ACPI S3): no processor runs.</summary>
    public bool IsSuspendedToMemory => _chipset.Power.IsAsleep;

    /// <summary>Whether the drivers have reset all virtio devices that they had, as they do when the guest suspends.</summary>
    public bool HasSuspendedDevices => _devices!.AreLetGo;

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
