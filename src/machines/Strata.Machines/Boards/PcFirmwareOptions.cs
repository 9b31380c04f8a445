using Strata.Core.Storage;

namespace Strata.Machines.Boards;

/// <summary>Firmware that starts the machine, as in a PC, and what only a machine with firmware has.</summary>
public sealed record PcFirmwareOptions
{
    /// <summary>Bytes of the smallest and largest ROM.</summary>
    public const int SmallestRom = 64 << 10, LargestRom = 16 << 20;

    /// <summary>The ROM: a multiple of 64 KiB. It ends at 4 GiB, and its last 128 KiB show below 1 MiB as well.</summary>
    public required byte[] Rom { get; init; }

    /// <summary>
    /// What a flash chip below the ROM begins with, a multiple of 4 KiB, where UEFI firmware keeps its variables; empty for a machine
    /// without. ROM and flash together are a multiple of 64 KiB.
    /// </summary>
    public byte[] Variables { get; init; } = [];

    /// <summary>
    /// Keeps the flash chip's bytes when the machine is gone, and has <see cref="Variables"/> already; the board disposes it.
    /// Null for a machine whose variables end with it.
    /// </summary>
    public IBlockBackend? VariableStore { get; init; }

    /// <summary>The display adapter's ROM; empty for firmware that knows the display by itself.</summary>
    public required byte[] VideoRom { get; init; }

    /// <summary>ROMs that start from the network, for cards of these models; cards without one only serve systems.</summary>
    public IReadOnlyDictionary<NetworkCardModel, byte[]> NetworkRoms { get; init; } = new Dictionary<NetworkCardModel, byte[]>();

    /// <summary>
    /// Where the firmware puts the ports of power management: firmware has its own mind there, and the ACPI tables have to agree.
    /// </summary>
    public ushort PowerPort { get; init; } = PcMemoryMap.AcpiPowerPort;

    /// <summary>What the firmware starts from, the first choice first.</summary>
    public IReadOnlyList<BootSource> BootOrder { get; init; } = [
        BootSource.Disk, BootSource.Optical, BootSource.Floppy, BootSource.Network];

    /// <summary>The firmware's screen and keyboard are on the first serial port as well.</summary>
    public bool UsesSerial { get; init; }

    /// <summary>
    /// Drives on the two IDE channels, at most four: disks from the first on, discs from the third on. The board disposes their media.
    /// </summary>
    public IReadOnlyList<IdeDriveOptions> Drives { get; init; } = [];

    /// <summary>
    /// Diskettes in the floppy drives, at most two, null for an empty one; a machine without has no drive. The board disposes them.
    /// </summary>
    public IReadOnlyList<IBlockBackend?> Floppies { get; init; } = [];

    /// <summary>Ask at the start what to start from.</summary>
    public bool ShowsMenu { get; init; }
}

/// <summary>A drive on an IDE channel.</summary>
/// <param name="Medium">The disk, or the disc in the drive; null for an empty CD drive.</param>
/// <param name="IsOptical">A drive for CDs and DVDs.</param>
public sealed record IdeDriveOptions(IBlockBackend? Medium, bool IsOptical = false);

/// <summary>What firmware can start a system from.</summary>
public enum BootSource
{
    /// <summary>The hard disks, in the machine's order.</summary>
    Disk,

    /// <summary>A CD or DVD.</summary>
    Optical,

    /// <summary>A floppy disk.</summary>
    Floppy,

    /// <summary>The network, by a card's ROM.</summary>
    Network,
}
