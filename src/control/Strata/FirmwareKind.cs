namespace Strata;

/// <summary>What starts a machine.</summary>
public enum FirmwareKind
{
    /// <summary>Strata itself: it loads a kernel.</summary>
    None,

    /// <summary>
    /// SeaBIOS, as the BIOS of a PC: it starts what is on a disk or disc. The machine has a display, IDE, keyboard and mouse.
    /// </summary>
    SeaBios,

    /// <summary>
    /// OVMF, UEFI firmware: it starts the EFI programs of a disk or disc, as its variables say, which are kept in
    /// <see cref="MachineSpec.FirmwareVariables"/>. The machine has the same devices.
    /// </summary>
    Ovmf,
}

/// <summary>What firmware can start a system from.</summary>
public enum BootDevice
{
    /// <summary>Hard disks.</summary>
    Disk,

    /// <summary>CDs and DVDs.</summary>
    Cdrom,

    /// <summary>Floppy disks.</summary>
    Floppy,

    /// <summary>The network.</summary>
    Network,
}
