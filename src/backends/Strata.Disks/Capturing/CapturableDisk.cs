using Strata.Core.Storage;
using Strata.Disks.Images;

namespace Strata.Disks.Capturing;

/// <summary>
/// A disk whose content at a moment can be kept while its machine goes on writing: it knows which clusters were written since the last
/// such moment, and saves those that a capture still wants before they change. Safe on any thread; captures begin and end while the
/// machine's devices are quiet.
/// </summary>
public sealed class CapturableDisk : IBlockBackend
{
    private readonly DiskImage _disk;
    private volatile DiskCapture? _capture;

    /// <summary>Clusters written since the last capture began. Replaced while nothing is written.</summary>
    private volatile ClusterSet _written;

    /// <param name="disk">Disposed with this.</param>
    public CapturableDisk(DiskImage disk)
    {
        ArgumentNullException.ThrowIfNull(disk);
        _disk = disk;
        _written = new ClusterSet(disk.Sectors * 512);
    }

    public long Sectors => _disk.Sectors;

    public bool IsReadOnly => _disk.IsReadOnly;

    /// <summary>The image that is written to.</summary>
    public DiskImage Image => _disk;

    /// <summary>
    /// Clusters that differ from an image below this one, or may: what was written to the images above it. Without such an image,
    /// clusters that are not known to be zeros. While the machine's devices are quiet.
    /// </summary>
    /// <param name="below">One of the image's backing images; null for none.</param>
    public ClusterSet FindContent(DiskImage? below)
    {
        long size = Sectors * 512;
        ClusterSet content = new(size);
        for (DiskImage? image = _disk; image is not null && image != below; image = image.Backing)
        {
            long end = Math.Min(size, image.Sectors * 512);
            for (long offset = 0; offset < end;)
            {
                DiskExtent extent = image.Map(offset, end - offset);
                if (extent.Kind == DiskExtentKind.Data || (extent.Kind == DiskExtentKind.Zero && (below is not null || image != _disk)))
                {
                    content.AddRange(offset, extent.Length);
                }

                offset += extent.Length;
            }
        }

        return content;
    }

    /// <summary>Begins a capture of the disk as it is now, while nothing is written.</summary>
    /// <param name="clusters">What to keep beside what was written since the last capture began; null for nothing.</param>
    /// <param name="target">Gets it: reads as this disk did where a cluster is not kept. Not disposed.</param>
    /// <exception cref="InvalidOperationException">A capture is under way.</exception>
    public DiskCapture Capture(ClusterSet? clusters, IBlockBackend target)
    {
        if (_capture is not null)
        {
            throw new InvalidOperationException("The disk is being captured already; wait until that is complete.");
        }

        ClusterSet before = _written;
        _written = new ClusterSet(Sectors * 512);
        DiskCapture capture = new(this, clusters, before, target);
        _capture = capture;
        return capture;
    }

    /// <summary>
    /// Somebody knows the content as it is now: only what is written from here on counts as written. While nothing is written.
    /// </summary>
    public void ForgetWritten() => _written = new ClusterSet(Sectors * 512);

    public void Read(long offset, Span<byte> buffer) => _disk.Read(offset, buffer);

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        BeforeChange(offset, buffer.Length);
        _disk.Write(offset, buffer);
    }

    public void Flush() => _disk.Flush();

    public void Discard(long offset, long length)
    {
        BeforeChange(offset, length);
        _disk.Discard(offset, length);
    }

    public void WriteZeros(long offset, long length)
    {
        BeforeChange(offset, length);
        _disk.WriteZeros(offset, length);
    }

    public void Dispose() => _disk.Dispose();

    /// <summary>The capture is over: it has all it wanted, or was given up.</summary>
    internal void End(DiskCapture capture) => Interlocked.CompareExchange(ref _capture, null, capture);

    /// <summary>Nothing has kept these clusters.</summary>
    internal void CountAsWritten(ClusterSet clusters) => _written.UnionWith(clusters);

    private void BeforeChange(long offset, long length)
    {
        _written.AddRange(offset, length);
        _capture?.BeforeChange(offset, length);
    }
}
