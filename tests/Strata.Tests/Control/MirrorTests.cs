using Strata.Control;

namespace Strata.Tests.Control;

/// <summary>What the library says of the layers below in words of its own: it leaves nothing out.</summary>
public sealed class MirrorTests
{
    public static TheoryData<Type, Type> Mirrors => new()
    {
        { typeof(BoardInspection), typeof(Machines.Boards.BoardInspection) },
        { typeof(ProcessorInspection), typeof(Machines.Boards.ProcessorInspection) },
        { typeof(InterruptPinInspection), typeof(Devices.Interrupts.InterruptPinInspection) },
        { typeof(DeviceInspection), typeof(Machines.Boards.DeviceInspection) },
        { typeof(PciInspection), typeof(Devices.Pci.PciInspection) },
        { typeof(BarInspection), typeof(Devices.Pci.BarInspection) },
        { typeof(MsixInspection), typeof(Devices.Pci.MsixInspection) },
        { typeof(MsixVectorInspection), typeof(Devices.Pci.MsixVectorInspection) },
        { typeof(VirtioInspection), typeof(Virtio.VirtioInspection) },
        { typeof(QueueInspection), typeof(Virtio.Queue.QueueInspection) },
        { typeof(SwitchDescription), typeof(Networking.NamedSwitches.NamedSwitchDescription) },
        { typeof(SwitchPortDescription), typeof(Networking.NamedSwitches.NamedSwitchPortDescription) },
        { typeof(MachineExit), typeof(Machines.Boards.MachineExit) },
        { typeof(DiskCheck), typeof(Disks.Images.DiskCheckReport) },
        { typeof(DiskSnapshot), typeof(Disks.Images.DiskSnapshotInfo) },
    };

    public static TheoryData<Type, Type> Words => new()
    {
        { typeof(MachineExitReason), typeof(Machines.Boards.MachineExitReason) },
        { typeof(BackingImages), typeof(Disks.Images.BackingAccess) },
    };

    [Theory]
    [MemberData(nameof(Mirrors))]
    public void Properties_OfAMirror_AreThoseOfTheOriginal(Type mirror, Type original) => Assert.Equal(NamesOf(original), NamesOf(mirror));

    [Theory]
    [MemberData(nameof(Words))]
    public void Words_OfAMirror_AreThoseOfTheOriginal(Type mirror, Type original) =>
        Assert.Equal(Enum.GetNames(original), Enum.GetNames(mirror));

    private static string[] NamesOf(Type type) => [.. type.GetProperties().Select(property => property.Name).Order(StringComparer.Ordinal)];
}
