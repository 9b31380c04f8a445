namespace Strata.Disks.Images;

/// <summary>A run of bytes of one kind.</summary>
/// <param name="Length">Bytes; a multiple of 512.</param>
/// <param name="Kind">Where the bytes are.</param>
public readonly record struct DiskExtent(long Length, DiskExtentKind Kind);

/// <summary>Where the bytes of an extent are.</summary>
public enum DiskExtentKind
{
    /// <summary>Nowhere in this image: the backing image's bytes, zeros without one.</summary>
    Unallocated,

    /// <summary>Known to be zeros, whatever a backing image holds.</summary>
    Zero,

    /// <summary>Stored in this image.</summary>
    Data,
}
