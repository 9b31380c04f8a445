namespace Strata;

/// <summary>How a disk is attached.</summary>
public enum DiskBus
{
    /// <summary>virtio-blk: /dev/vda in Linux. The fastest, for systems that have its driver.</summary>
    Virtio,

    /// <summary>IDE: what systems without further drivers know. Needs firmware.</summary>
    Ide,

    /// <summary>A disc in an IDE CD drive, such as an ISO image; it cannot be written. Needs firmware.</summary>
    Cdrom,

    /// <summary>A controller of its own after NVM Express: /dev/nvme0n1 in Linux, for systems without virtio's driver.</summary>
    Nvme,

    /// <summary>SATA, on a controller with six ports: /dev/sda in Linux.</summary>
    Ahci,

    /// <summary>A diskette in a floppy drive, of which there are two. Needs firmware.</summary>
    Floppy,
}

/// <summary>What follows from a disk's bus.</summary>
internal static class DiskBusExtensions
{
    /// <summary>The disk is on the IDE controller, which machines with firmware have.</summary>
    public static bool IsIde(this DiskBus bus) => bus is DiskBus.Ide or DiskBus.Cdrom;

    /// <summary>A drive whose medium is changed while the machine runs, and which can be empty.</summary>
    public static bool IsRemovable(this DiskBus bus) => bus is DiskBus.Cdrom or DiskBus.Floppy;

    /// <summary>The disk is on a controller that only machines with firmware have.</summary>
    public static bool NeedsFirmware(this DiskBus bus) => bus.IsIde() || bus == DiskBus.Floppy;
}
