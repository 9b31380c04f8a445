using Strata.Machines.Boards;
using Strata.Snapshots;

namespace Strata;

/// <summary>What the board is told about firmware, from what a machine's specification says.</summary>
internal static class MachineFirmware
{
    public static PcFirmwareOptions Describe(MachineSpec spec, FirmwareRoms roms, IEnumerable<MachineDisk> disks) => new()
    {
        Rom = roms.Rom,
        VideoRom = roms.VideoRom,
        Drives =
        [
            .. disks.Where(disk => disk.Spec.Bus.IsIde())
                .Select(disk => new IdeDriveOptions(disk.Medium, IsOptical: disk.Spec.Bus == DiskBus.Cdrom)),
        ],
        BootOrder = [.. spec.Boot.Concat(Enum.GetValues<BootDevice>()).Distinct().Select(SourceOf)],
        UsesSerial = spec.Console == ConsoleDevice.Serial,
        ShowsMenu = spec.BootMenu,
    };

    private static BootSource SourceOf(BootDevice device) => device switch
    {
        BootDevice.Disk => BootSource.Disk,
        BootDevice.Cdrom => BootSource.Optical,
        BootDevice.Floppy => BootSource.Floppy,
        _ => BootSource.Network,
    };
}
