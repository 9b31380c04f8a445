namespace Strata.Disks.Vdi;

/// <summary>Choices for a new VDI image.</summary>
public sealed record VdiOptions
{
    /// <summary>
    /// Gives every block its place at once, so that writing never changes the block map. The host may still store the file sparsely.
    /// </summary>
    public bool Fixed { get; init; }
}
