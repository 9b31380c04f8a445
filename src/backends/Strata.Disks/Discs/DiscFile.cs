namespace Strata.Disks.Discs;

/// <summary>A file of a disc that <see cref="Iso9660Disc"/> makes.</summary>
/// <param name="Name">1 to 64 letters, digits, full stops, hyphens and underscores of ASCII.</param>
/// <param name="Content">Its bytes.</param>
public sealed record DiscFile(string Name, ReadOnlyMemory<byte> Content);
