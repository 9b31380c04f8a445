namespace Strata.Disks.Vhd;

/// <summary>Choices for a new VHD image.</summary>
public sealed record VhdOptions
{
    /// <summary>The disk's plain bytes with a footer, as some clouds demand it. The host may still store the file sparsely.</summary>
    public bool Fixed { get; init; }
}
