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
}
