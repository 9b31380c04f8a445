namespace Strata.Disks.Vmdk;

/// <summary>Choices for a new VMDK image.</summary>
public sealed record VmdkOptions
{
    public VmdkSubformat Subformat { get; init; } = VmdkSubformat.MonolithicSparse;
}

/// <summary>The kinds of VMDK images that can be created.</summary>
public enum VmdkSubformat
{
    /// <summary>One file that grows.</summary>
    MonolithicSparse,

    /// <summary>A small text file and, beside it, a file of the disk's plain bytes.</summary>
    MonolithicFlat,

    /// <summary>One file of compressed grains, written once from start to end: the disks of OVA files.</summary>
    StreamOptimized,
}
