using System.CommandLine;
using Strata.Control;
using Strata.Images;

namespace Strata.Cli;

/// <summary>Options of `strata run` for machines that firmware starts.</summary>
internal sealed class FirmwareArguments
{
    private const string Devices = "disk, cdrom, floppy, net";

    private readonly Option<string?> _firmware = new("--firmware")
    {
        Description = "What starts the machine: seabios, ovmf (UEFI), auto for what the disk or disc needs, or none for a kernel. " +
            "Default: auto where a disk or an ISO image is given and no kernel.",
    };

    private readonly Option<string?> _variables = new("--firmware-vars")
    {
        Description = "File that keeps the variables of UEFI firmware, such as what it starts; made where it does not exist. " +
            "Default: one " +
            "by the machine's --name; without a name they end with the machine.",
    };

    private readonly Option<string[]> _cdrom = new("--cdrom")
    {
        Description = "ISO image for a CD drive; may be repeated. Needs firmware.",
    };

    private readonly Option<string[]> _floppy = new("--floppy")
    {
        Description = "FILE[,readonly]: image of a diskette for a floppy drive; may be repeated once. Needs firmware.",
    };

    private readonly Option<string?> _boot = new("--boot")
    {
        Description = $"What firmware tries to start from, separated by commas, the first choice first: {Devices}.",
    };

    private readonly Option<bool> _menu = new("--boot-menu") { Description = "Let firmware show a menu of what to start from." };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_firmware, _variables, _cdrom, _floppy, _boot, _menu])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The machine that starts from a file, if that is what somebody has named in place of an image.</summary>
    /// <returns>Null for the name of an image, whether there is one or not.</returns>
    /// <exception cref="StrataException">The file cannot be read.</exception>
    public static MachineSpec? TryStartFrom(string name)
    {
        bool isImage = GuestImages.All().Any(image => image.ImageName == name);
        return !isImage && (File.Exists(name) || name.Contains('/', StringComparison.Ordinal)) ? MachineSpec.StartingFrom(name) : null;
    }

    /// <summary>The disk that was named in place of an image: it stays the first where --disk names others.</summary>
    public static IReadOnlyList<DiskSpec> StartDisks(string? name, MachineSpec spec) =>
        name is not null && spec is { Image: null, Firmware: FirmwareKind.SeaBios or FirmwareKind.Ovmf } ? spec.Disks : [];

    /// <summary>A machine that is given a name keeps its firmware's variables by it.</summary>
    /// <param name="name">On the command line; null for none.</param>
    /// <exception cref="StrataException">The name is none that a file could have.</exception>
    public static MachineSpec KeepVariables(MachineSpec spec, string? name) =>
        MachineName.IsValid(name) ? spec.KeepingFirmwareVariables(name!) : spec;

    public MachineSpec Apply(ParseResult result, MachineSpec spec)
    {
        string[] discs = result.GetValue(_cdrom) ?? [];
        string[] diskettes = result.GetValue(_floppy) ?? [];
        return spec with
        {
            Firmware = result.GetValue(_firmware) is { } word ? ParseFirmware(word) : spec.Firmware,
            FirmwareVariables = result.GetValue(_variables) ?? spec.FirmwareVariables,
            Disks = [.. spec.Disks, .. discs.Select(DiskSpec.Disc), .. diskettes.Select(ParseDiskette)],
            Boot = result.GetValue(_boot) is { } boot ? [.. boot.Split(',').Select(ParseDevice)] : spec.Boot,
            BootMenu = result.GetValue(_menu) || spec.BootMenu,
        };
    }

    private static DiskSpec ParseDiskette(string text) => DiskSpec.Parse(text) with { Bus = DiskBus.Floppy };

    private static FirmwareKind? ParseFirmware(string word) => word switch
    {
        "seabios" => FirmwareKind.SeaBios,
        "ovmf" => FirmwareKind.Ovmf,
        "auto" => null,
        "none" => FirmwareKind.None,
        _ => throw new StrataException(StrataError.BadInput, $"--firmware is seabios, ovmf, auto or none, not \"{word}\"."),
    };

    private static BootDevice ParseDevice(string word) => word switch
    {
        "disk" => BootDevice.Disk,
        "cdrom" => BootDevice.Cdrom,
        "floppy" => BootDevice.Floppy,
        "net" => BootDevice.Network,
        _ => throw new StrataException(StrataError.BadInput, $"Firmware cannot start from \"{word}\"; name some of {Devices}."),
    };
}
