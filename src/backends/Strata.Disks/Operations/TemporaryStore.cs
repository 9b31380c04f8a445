using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Operations;

/// <summary>A disk for bytes that are needed as long as it is open: the host has no name for the file that holds them.</summary>
public static class TemporaryStore
{
    /// <summary>Makes a disk of zeros.</summary>
    /// <param name="size">Bytes; a multiple of 512.</param>
    /// <exception cref="DiskImageException">The host's temporary folder cannot be written.</exception>
    public static DiskImage Create(long size)
    {
        string path = Path.Combine(Path.GetTempPath(), $"strata-{Guid.NewGuid():N}.qcow2");
        Qcow2Image image = Qcow2Image.Create(path, new DiskCreateOptions { Size = size });
        image.MarkTemporary();
        File.Delete(path);
        return image;
    }
}
