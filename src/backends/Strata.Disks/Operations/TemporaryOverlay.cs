using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Operations;

/// <summary>A disk whose changes go when it is closed, however that happens: the host has no name for the file that holds them.</summary>
public static class TemporaryOverlay
{
    /// <summary>Opens an image for reading and lays an empty overlay over it.</summary>
    /// <param name="folder">Where the changes are kept while the disk is open; null for the host's temporary folder.</param>
    /// <exception cref="DiskImageException">The image cannot be opened, or the folder cannot be written.</exception>
    public static DiskImage Open(string path, DiskOpenOptions options, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        DiskImage image = DiskImages.Open(path, options with { ReadOnly = true });
        string changes = Path.Combine(folder ?? Path.GetTempPath(), $"strata-{Guid.NewGuid():N}.qcow2");
        Qcow2Image overlay = Qcow2Image.CreateOverlay(changes, image, Path.GetFullPath(path));
        overlay.MarkTemporary();
        File.Delete(changes);
        return overlay;
    }
}
