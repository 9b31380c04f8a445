namespace Strata.Disks.Images;

/// <summary>One row of the table of formats in <see cref="DiskImages"/>.</summary>
/// <param name="Name">Lower case: what users write.</param>
/// <param name="Description">For help texts.</param>
/// <param name="Matches">Whether a file with this content is of the format. Must not throw.</param>
/// <param name="Open">Opens a file of the format.</param>
/// <param name="Create">Makes an image and opens it for writing.</param>
public sealed record DiskFormat(
    string Name,
    string Description,
    Func<DiskProbe, bool> Matches,
    Func<string, DiskOpenOptions, DiskImage> Open,
    Func<string, DiskCreateOptions, DiskImage> Create);
