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
    Func<string, DiskCreateOptions, DiskImage> Create)
{
    /// <summary>
    /// What <see cref="DiskCreateOptions.Subformat"/> may be; the first one is the default; empty if there is only one kind.
    /// </summary>
    public IReadOnlyList<string> Subformats { get; init; } = [];

    /// <summary>Subformats of several files that name each other: they cannot be made under another name and renamed.</summary>
    public IReadOnlyList<string> SubformatsOfSeveralFiles { get; init; } = [];

    /// <summary>A format whose images have a size and a subformat and no further options.</summary>
    /// <param name="subformats">See <see cref="Subformats"/>.</param>
    /// <param name="open">Opens a path, for reading only if the second argument says so.</param>
    /// <param name="create">Makes a file that does not exist yet: path, bytes, subformat (null if there are none).</param>
    public static DiskFormat Plain(
        string name,
        string description,
        IReadOnlyList<string> subformats,
        Func<DiskProbe, bool> matches,
        Func<string, bool, DiskImage> open,
        Action<string, long, string?> create) =>
        new(name, description, matches, (path, options) => open(path, options.ReadOnly), (path, options) =>
        {
            string? refused = options switch
            {
                { BackingFile: not null } => "backing image",
                { ClusterSize: not null } => "cluster size that can be chosen",
                { Version: not null } => "version that can be chosen",
                { RefcountBits: not null } or { LazyRefcounts: true } => "reference counts",
                { Subformat: { } subformat } when !subformats.Contains(subformat) =>
                    subformats.Count == 0 ? "subformats" : $"subformat {subformat}, only {string.Join(", ", subformats)}",
                _ => null,
            };
            if (refused is not null)
            {
                throw new DiskImageException(
                    $"Images of the format {name} have no {refused}; leave that option out or choose the format qcow2.");
            }

            if (File.Exists(path) && options.Overwrite)
            {
                ImageFile.Open(path, readOnly: false).Dispose(); // nobody uses it
                File.Delete(path);
            }

            create(path, options.Size, options.Subformat ?? (subformats.Count == 0 ? null : subformats[0]));
            return open(path, false);
        })
        {
            Subformats = subformats,
        };
}
