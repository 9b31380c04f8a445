using System.Text;
using Strata.Devices.Network;
using Strata.Devices.Pci;
using Strata.Devices.Storage;
using Strata.Devices.Storage.Ahci;
using Strata.Devices.Storage.Nvme;
using Strata.Machines.Boards;
using Strata.Virtio.Block;
using Strata.Virtio.Network;

namespace Strata.Machines.Firmware;

/// <summary>
/// What firmware tries to start from, device by device: a list of Open Firmware paths, one a line, as SeaBIOS and OVMF read them from the
/// configuration device. IEEE 1275, "Path Resolution"; QEMU documentation, "Managing device boot order with bootindex properties".
/// <code>
/// /pci@i0cf8/ide@1,1/drive@CHANNEL/disk@DRIVE             /pci@i0cf8/scsi@SLOT/disk@0,0            (virtio)
/// /pci@i0cf8/pci8086,2922@SLOT/drive@PORT/disk@0 (AHCI)   /pci@i0cf8/pci8086,5845@SLOT/namespace@1,0 (NVMe)
/// /pci@i0cf8/isa@1/fdc@03f0/floppy@DRIVE                  /pci@i0cf8/ethernet@SLOT/ethernet-phy@0
/// </code>
/// </summary>
internal static class BootOrderFile
{
    public const string Name = "bootorder";

    private const string Bus = "/pci@i0cf8";

    /// <param name="order">Of kinds of devices; those of one kind follow in the machine's order, disks on IDE before others.</param>
    /// <param name="drives">On the IDE channels.</param>
    /// <param name="floppies">How many drives for diskettes there are.</param>
    /// <param name="disks">By what each disk on the bus is reached, in the machine's order, which is not that of the slots.</param>
    public static byte[] Build(
        IReadOnlyList<BootSource> order, PciBus bus, IReadOnlyList<IdeDriveOptions> drives, int floppies, IEnumerable<DiskController> disks)
    {
        ILookup<BootSource, string> paths = IdePlaces.Assign(drives)
            .Select(drive => (drive.Options.IsOptical ? BootSource.Optical : BootSource.Disk, PathOfDrive(drive.Place)))
            .Concat(Enumerable.Range(0, floppies).Select(drive => (BootSource.Floppy, $"{Bus}/isa@1/fdc@03f0/floppy@{drive}")))
            .Concat(PathsOfDisks(bus, disks).Select(path => (BootSource.Disk, path)))
            .Concat(bus.Functions.Where(place => IsCard(place.Function)).Select(place => Card(place.Slot)))
            .ToLookup(path => path.Item1, path => path.Item2);
        string[] lines = [.. order.Distinct().SelectMany(source => paths[source])];
        return lines.Length == 0 ? [] : [.. Encoding.ASCII.GetBytes(string.Join('\n', lines)), 0];
    }

    private static string PathOfDrive(int place) => $"{Bus}/ide@1,1/drive@{place / 2}/disk@{place % 2}";

    private static IEnumerable<string> PathsOfDisks(PciBus bus, IEnumerable<DiskController> disks)
    {
        Queue<string> sata = new(bus.Functions.SelectMany(place => PathsOf(place.Slot, place.Function as AhciController)));
        Queue<string> others = new(bus.Functions.Select(place => PathOf(place.Slot, place.Function)).OfType<string>());
        return [.. disks.Select(disk => (disk == DiskController.Ahci ? sata : others).Dequeue())];
    }

    private static IEnumerable<string> PathsOf(int slot, AhciController? controller) =>
        Enumerable.Range(0, controller?.DriveCount ?? 0).Select(port => $"{Bus}/pci8086,2922@{slot:x}/drive@{port}/disk@0");

    /// <returns>Null for what is no disk.</returns>
    private static string? PathOf(int slot, PciFunction function) => function switch
    {
        // The name that firmware knows NVMe by is that of one maker's device, whoever made this one.
        NvmeController => $"{Bus}/pci8086,5845@{slot:x}/namespace@1,0",
        _ when function.Units.Any(unit => unit is VirtioBlock) => $"{Bus}/scsi@{slot:x}/disk@0,0",
        _ => null,
    };

    private static bool IsCard(PciFunction function) => function is E1000 || function.Units.Any(unit => unit is VirtioNetwork);

    private static (BootSource Source, string Path) Card(int slot) =>
        (BootSource.Network, $"{Bus}/ethernet@{slot:x}/ethernet-phy@0");
}
