namespace Strata.Disks.Images;

/// <summary>Something that happened to a file.</summary>
/// <param name="Offset">Bytes; the new length for <see cref="ImageFileChangeKind.Length"/>.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Data">What was written.</param>
internal sealed record ImageFileChange(ImageFileChangeKind Kind, long Offset, long Length, byte[] Data);

internal enum ImageFileChangeKind
{
    Write,
    Hole,
    Length,
    Flush,
}
