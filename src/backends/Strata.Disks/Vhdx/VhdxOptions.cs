namespace Strata.Disks.Vhdx;

/// <summary>Choices for a new VHDX image.</summary>
public sealed record VhdxOptions
{
    /// <summary>
    /// Gives every block its place at once, so that writing never changes the block allocation table. The host may still store the file
    /// sparsely.
    /// </summary>
    public bool Fixed { get; init; }
}
