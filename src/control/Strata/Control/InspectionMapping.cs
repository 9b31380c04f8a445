using Boards = Strata.Machines.Boards;
using Pci = Strata.Devices.Pci;

namespace Strata.Control;

/// <summary>From what the layers below say of themselves to what the library shows: its readers need to know none of them.</summary>
internal static class InspectionMapping
{
    public static BoardInspection Of(Boards.BoardInspection board) => new()
    {
        Processors = [.. board.Processors.Select(cpu => new ProcessorInspection(cpu.Index, cpu.InstructionsExecuted, cpu.Counters))],
        Resets = board.Resets,
        InterruptPins =
        [
            .. board.InterruptPins.Select(
                pin => new InterruptPinInspection(pin.Pin, pin.Vector, pin.IsMasked, pin.IsLevel, pin.IsHigh, pin.Sent)),
        ],
        Devices =
        [
            .. board.Devices.Select(device => new DeviceInspection(
                device.Slot, device.Function, Of(device.Pci), device.Virtio is { } virtio ? Of(virtio) : null)),
        ],
    };

    private static PciInspection Of(Pci.PciInspection pci) => new()
    {
        VendorId = pci.VendorId,
        DeviceId = pci.DeviceId,
        ClassCode = pci.ClassCode,
        IsBusMaster = pci.IsBusMaster,
        Bars = [.. pci.Bars.Select(bar => new BarInspection(bar.Index, bar.Size, bar.Address))],
        LineInterrupts = pci.LineInterrupts,
        Msix = pci.Msix is { } msix
            ? new MsixInspection(
                msix.IsEnabled, [.. msix.Vectors.Select(vector => new MsixVectorInspection(vector.Vector, vector.IsMasked, vector.Sent))])
            : null,
    };

    private static VirtioInspection Of(Virtio.VirtioInspection virtio) => new()
    {
        DeviceType = virtio.DeviceType,
        TypeName = virtio.TypeName,
        Status = virtio.Status,
        Offered = virtio.Offered,
        Negotiated = virtio.Negotiated,
        Queues = [.. virtio.Queues.Select(Of)],
    };

    private static QueueInspection Of(Virtio.Queue.QueueInspection queue) => new()
    {
        Index = queue.Index,
        Size = queue.Size,
        IsEnabled = queue.IsEnabled,
        DescriptorTable = queue.DescriptorTable,
        AvailableRing = queue.AvailableRing,
        UsedRing = queue.UsedRing,
        Vector = queue.Vector,
        UsesEventIndex = queue.UsesEventIndex,
        AvailableIndex = queue.AvailableIndex,
        TakenIndex = queue.TakenIndex,
        UsedIndex = queue.UsedIndex,
        BrokenReason = queue.BrokenReason,
    };
}
