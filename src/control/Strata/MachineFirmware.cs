using Strata.Core.Storage;
using Strata.Devices.Storage.Floppy;
using Strata.Disks.Images;
using Strata.Machines.Boards;
using Strata.Snapshots;

namespace Strata;

/// <summary>What the board is told about firmware, from what a machine's specification says.</summary>
internal static class MachineFirmware
{
    private const ushort OvmfPowerPort = 0xB000;

    /// <param name="disc">One more disc in a CD drive; null for none.</param>
    /// <exception cref="StrataException">The file of the firmware's variables cannot be used.</exception>
    public static PcFirmwareOptions? Describe(
        MachineSpec spec, FirmwareRoms? roms, IEnumerable<MachineDisk> disks, IBlockBackend? disc)
    {
        if (roms is null)
        {
            return null;
        }

        PcFirmwareOptions options = Describe(spec, disks, disc) with
        {
            Rom = roms.Rom,
            VideoRom = roms.VideoRom,
            Variables = roms.Variables,
            NetworkRoms = roms.NetworkRoms,
        };
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

    private static PcFirmwareOptions Describe(MachineSpec spec, IEnumerable<MachineDisk> disks, IBlockBackend? disc) => new()
    {
        Rom = [],
        VideoRom = [],
        Drives =
        [
            .. disks.Where(disk => disk.Spec.Bus.IsIde())
                .Select(disk => new IdeDriveOptions(disk.Medium, IsOptical: disk.Spec.Bus == DiskBus.Cdrom)),
            .. disc is null ? (IdeDriveOptions[])[] : [new IdeDriveOptions(disc, IsOptical: true)],
        ],
        Floppies = [.. disks.Where(disk => disk.Spec.Bus == DiskBus.Floppy).Select(OpenDiskette)],
        BootOrder = [.. spec.Boot.Concat(Enum.GetValues<BootDevice>()).Distinct().Select(SourceOf)],
        UsesSerial = spec.Console == ConsoleDevice.Serial,
        ShowsMenu = spec.BootMenu,
    };

    /// <exception cref="StrataException">The image has the size of no diskette.</exception>
    internal static IBlockBackend? OpenDiskette(MachineDisk disk) =>
        disk.Medium is null || FloppyGeometry.Find(disk.Backend.Sectors) is not null ? disk.Medium : throw new StrataException(
            StrataError.BadInput,
            $"{disk.Spec.Path} has {disk.Backend.Sectors / 2:N0} KiB and is no diskette's image: those have {FloppyGeometry.Sizes}. " +
            "Attach it as a disk, with bus=ide.");

    private static BootSource SourceOf(BootDevice device) => device switch
    {
        BootDevice.Disk => BootSource.Disk,
        BootDevice.Cdrom => BootSource.Optical,
        BootDevice.Floppy => BootSource.Floppy,
        _ => BootSource.Network,
    };
}
