using System.Buffers;
using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Operations;

/// <summary>Operations on an overlay and the image behind it.</summary>
public static class DiskChain
{
    private const int ChunkSize = 1 << 20;

    /// <summary>
    /// Writes what an overlay holds into its backing image and empties the overlay. A crash leaves the overlay complete until
    /// the backing image is; repeating the commit is harmless. Other overlays of the same backing image change with it.
    /// </summary>
    /// <param name="path">The overlay.</param>
    /// <param name="options">How the overlay is opened; its backing images must be allowed.</param>
    /// <param name="keep">Leave the overlay as it is.</param>
    /// <exception cref="DiskImageException">There is no backing image, or it cannot be written.</exception>
    public static void Commit(
        string path, DiskOpenOptions options, bool keep = false, IProgress<DiskProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        DiskImageInfo info;
        string target;
        using (DiskImage overlay = DiskImages.Open(path, options with { ReadOnly = true }))
        {
            info = overlay.Describe();
            string name = info.BackingFile ?? throw new DiskImageException($"{path} has no backing image that it could be committed to.");
            target = BackingOpener.Resolve(path, name);
        }

        // Its own clusters are all that is needed of the overlay, and the backing image is to be written.
        using DiskImage top = DiskImages.Open(path, options with { ReadOnly = keep, Backing = BackingAccess.Detached });
        using DiskImage bottom = DiskImages.Open(target, options with { Format = info.BackingFormat, ReadOnly = false });
        if (bottom.Sectors < top.Sectors)
        {
            bottom.Resize(top.Sectors * 512);
        }

        long total = top.Sectors * 512;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            for (long offset = 0; offset < total;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                DiskExtent extent = top.Map(offset, total - offset);
                long length = extent.Length;
                if (extent.Kind == DiskExtentKind.Zero)
                {
                    bottom.WriteZeros(offset, length);
                }
                else if (extent.Kind == DiskExtentKind.Data)
                {
                    length = Math.Min(length, ChunkSize);
                    top.Read(offset, buffer.AsSpan(0, (int)length));
                    bottom.Write(offset, buffer.AsSpan(0, (int)length));
                }

                offset += length;
                progress?.Report(new DiskProgress(offset, total));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        bottom.Flush();
        if (!keep && top is Qcow2Image image)
        {
            image.Clear();
        }
    }

    /// <summary>
    /// Gives an overlay another backing image and copies what differs into it, so that the disk shows the same as before.
    /// </summary>
    /// <param name="backingFile">As it is to be stored, relative to the overlay's folder or absolute; null to make the overlay stand
    /// alone.</param>
    /// <param name="backingFormat">Its format; null to conclude it now and state it.</param>
    /// <exception cref="DiskImageException">The overlay is no qcow2 image, or an image cannot be opened.</exception>
    public static void Rebase(
        string path, string? backingFile, string? backingFormat, DiskOpenOptions options, IProgress<DiskProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        using Qcow2Image overlay = OpenOverlay(path, options with { ReadOnly = false });
        backingFormat = backingFile is null ? null : backingFormat ?? DiskImages.Probe(BackingOpener.Resolve(path, backingFile));
        using (DiskImage? backing = BackingOpener.Open(path, backingFile, backingFormat, options))
        {
            CopyDifferences(overlay, backing, progress, cancellationToken);
        }

        overlay.Flush();
        overlay.ChangeBackingName(backingFile, backingFormat);
    }

    /// <summary>
    /// States another backing image without reading either: for one that was moved or converted. Wrong use destroys the disk.
    /// </summary>
    public static void RebaseUnsafely(string path, string? backingFile, string? backingFormat, DiskOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        using Qcow2Image overlay = OpenOverlay(path, options with { ReadOnly = false, Backing = BackingAccess.Detached });
        overlay.ChangeBackingName(backingFile, backingFormat);
    }

    private static Qcow2Image OpenOverlay(string path, DiskOpenOptions options)
    {
        DiskImage image = DiskImages.Open(path, options);
        if (image is Qcow2Image overlay)
        {
            return overlay;
        }

        image.Dispose();
        throw new DiskImageException($"{path} is a {image.Format} image; only qcow2 images can be given another backing image.");
    }

    private static void CopyDifferences(
        Qcow2Image overlay, DiskImage? backing, IProgress<DiskProgress>? progress, CancellationToken cancellationToken)
    {
        long total = overlay.Sectors * 512;
        long inside = backing is null ? 0 : backing.Sectors * 512;
        byte[] buffer = new byte[overlay.ClusterSize];
        byte[] other = new byte[overlay.ClusterSize];
        for (long offset = 0; offset < total;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            DiskExtent extent = overlay.Map(offset, total - offset);
            long length = extent.Length;
            if (extent.Kind == DiskExtentKind.Unallocated)
            {
                length = Math.Min(length, overlay.ClusterSize);
                Span<byte> old = buffer.AsSpan(0, (int)length);
                Span<byte> now = other.AsSpan(0, (int)length);
                int readable = (int)Math.Clamp(inside - offset, 0, length);
                overlay.Read(offset, old);
                if (readable > 0)
                {
                    backing!.Read(offset, now[..readable]);
                }

                now[readable..].Clear();
                if (!old.SequenceEqual(now))
                {
                    overlay.Write(offset, old);
                }
            }

            offset += length;
            progress?.Report(new DiskProgress(offset, total));
        }
    }
}
