namespace Strata.Machines.Boards;

/// <summary>What on the PCI bus a guest reaches a disk by.</summary>
public enum DiskController
{
    /// <summary>virtio-blk: /dev/vda in Linux.</summary>
    Virtio,

    /// <summary>A controller of its own after NVM Express: /dev/nvme0n1 in Linux.</summary>
    Nvme,

    /// <summary>A port of a SATA controller: /dev/sda in Linux. Up to six disks share one.</summary>
    Ahci,
}
