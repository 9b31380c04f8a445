using Strata.Disks.Images;
using Strata.Machines.Boards;
using Strata.Snapshots;

namespace Strata;

/// <summary>What the board is told about firmware, from what a machine's specification says.</summary>
internal static class MachineFirmware
{
    private const ushort OvmfPowerPort = 0xB000;

    /// <exception cref="StrataException">The file of the firmware's variables cannot be used.</exception>
    public static PcFirmwareOptions? Describe(MachineSpec spec, FirmwareRoms? roms, IEnumerable<MachineDisk> disks)
    {
        if (roms is null)
        {
            return null;
        }

        PcFirmwareOptions options = Describe(spec, disks) with { Rom = roms.Rom, VideoRom = roms.VideoRom, Variables = roms.Variables };
        if (roms.Variables.Length == 0)
        {
            return options;
        }

        options = options with { PowerPort = OvmfPowerPort };
        if (spec.FirmwareVariables is not { } path)
        {
            return options;
        }

        (DiskImage store, byte[] content) = FirmwareVariables.Open(path, roms.Variables);
        return options with { Variables = content, VariableStore = store };
    }

    private static PcFirmwareOptions Describe(MachineSpec spec, IEnumerable<MachineDisk> disks) => new()
    {
        Rom = [],
        VideoRom = [],
        Drives =
        [
            .. disks.Where(disk => disk.Spec.Bus.IsIde())
                .Select(disk => new IdeDriveOptions(disk.Backend, IsOptical: disk.Spec.Bus == DiskBus.Cdrom)),
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
