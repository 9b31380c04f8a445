using Strata.Disks.Capturing;
using Strata.Disks.Images;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// A disk's content on its way into a snapshot: <see cref="Begin"/> while the machine stands still, then <see cref="Finish"/>.
/// </summary>
/// <param name="disk">The disk.</param>
/// <param name="target">Its new image in the set; null for one that stays where it is.</param>
/// <param name="clusters">What to keep beside what was written since the last snapshot; null for nothing.</param>
/// <param name="manifest">What the manifest is to say of it.</param>
internal sealed class DiskSaving(MachineDisk disk, DiskImage? target, ClusterSet? clusters, DiskManifest manifest) : IDisposable
{
    private DiskCapture? _capture;

    /// <summary>Of a disk whose file has all of its content when its machine has ended.</summary>
    public static DiskSaving OfDiskThatStays(MachineDisk disk) =>
        new(disk, null, null, disk.AtItsPlace());

    public void Begin()
    {
        if (target is not null)
        {
            _capture = disk.Capture(clusters, target);
        }
    }

    /// <summary>Saves what is left, behind the machine, to stable storage.</summary>
    /// <returns>What the manifest says.</returns>
    /// <exception cref="IOException">The disk cannot be read, or the set not written.</exception>
    public DiskManifest Finish(CancellationToken cancellationToken)
    {
        if (_capture is null)
        {
            return manifest;
        }

        _capture.SaveAll(cancellationToken);
        target!.Flush();
        return manifest with { Stored = _capture.Saved };
    }

    /// <summary>The machine has ended, and its disks are closed: what the manifest says now.</summary>
    public DiskManifest AfterEnd(DiskManifest kept) => kept.Kind == DiskKind.Referenced ? disk.Referenced() : kept;

    /// <summary>The snapshot is there: the next one stores what is written from here on.</summary>
    public void Accept(string setFolder)
    {
        if (_capture is not null)
        {
            _capture.Accept();
            disk.WasSaved(setFolder, manifest.Chain, _capture.WrittenBefore);
        }
    }

    public void Dispose()
    {
        _capture?.Dispose();
        target?.Dispose();
    }
}
