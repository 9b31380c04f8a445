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
    public static byte[] Build(IReadOnlyList<BootSource> order, PciBus bus, IReadOnlyList<IdeDriveOptions> drives, int floppies)
    {
        ILookup<BootSource, string> paths = IdePlaces.Assign(drives)
            .Select(drive => (drive.Options.IsOptical ? BootSource.Optical : BootSource.Disk, PathOfDrive(drive.Place)))
            .Concat(Enumerable.Range(0, floppies).Select(drive => (BootSource.Floppy, $"{Bus}/isa@1/fdc@03f0/floppy@{drive}")))
            .Concat(bus.Functions.SelectMany(place => PathsOf(place.Slot, place.Function)))
            .ToLookup(path => path.Item1, path => path.Item2);
        string[] lines = [.. order.Distinct().SelectMany(source => paths[source])];
        return lines.Length == 0 ? [] : [.. Encoding.ASCII.GetBytes(string.Join('\n', lines)), 0];
    }

    private static string PathOfDrive(int place) => $"{Bus}/ide@1,1/drive@{place / 2}/disk@{place % 2}";

    private static IEnumerable<(BootSource Source, string Path)> PathsOf(int slot, PciFunction function) => function switch
    {
        AhciController ahci => Enumerable.Range(0, ahci.DriveCount)
            .Select(port => (BootSource.Disk, $"{Bus}/pci8086,2922@{slot:x}/drive@{port}/disk@0")),

        // The name that firmware knows NVMe by is that of one maker's device, whoever made this one.
        NvmeController => [(BootSource.Disk, $"{Bus}/pci8086,5845@{slot:x}/namespace@1,0")],
        E1000 => [Card(slot)],
        _ when function.Units.Any(unit => unit is VirtioBlock) => [(BootSource.Disk, $"{Bus}/scsi@{slot:x}/disk@0,0")],
        _ when function.Units.Any(unit => unit is VirtioNetwork) => [Card(slot)],
        _ => [],
    };

    private static (BootSource Source, string Path) Card(int slot) =>
        (BootSource.Network, $"{Bus}/ethernet@{slot:x}/ethernet-phy@0");
}
