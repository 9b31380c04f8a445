using Microsoft.Extensions.Logging;
using Strata.Core.Storage;
using Strata.Disks;
using Strata.Disks.Capturing;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Disks.Qcow2;
using Strata.Disks.Throttling;
using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// A disk of a machine, and how its content is kept: what was written since the last snapshot lies over that snapshot's image, or over
/// the image that the machine was started with. Not safe on several threads; what the guest does goes through <see cref="Backend"/>.
/// </summary>
internal sealed class MachineDisk : IDisposable
{
    /// <summary>Longest chain of images in a set; the next snapshot stores all that differs from the base.</summary>
    private const int LongestChain = 24;

    private readonly DiskImage? _content;
    private readonly CapturableDisk? _disk;

    /// <summary>
    /// How many images lie over the one that the specification names, where that never changes; null where the disk is that image.
    /// </summary>
    private readonly int? _overlays;

    /// <summary>By the folder of a set: the last snapshot there.</summary>
    private readonly Dictionary<string, SavedDisk> _saved = [];

    private MachineDisk(DiskSpec spec, DiskImage? image, int? overlays, bool isPersistent)
    {
        IsPersistent = isPersistent;
        Spec = spec;
        _content = image;
        _overlays = overlays;
        _disk = image is null or { IsReadOnly: true } ? null : new CapturableDisk(image);
        IBlockBackend? backend = _disk is null ? image : _disk;
        Medium = spec.Throttle is null || backend is null ? backend : new ThrottledDisk(backend, spec.Throttle);
    }

    public DiskSpec Spec { get; }

    /// <summary>What the guest's controller reads and writes; the board disposes it. Null for an empty drive.</summary>
    public IBlockBackend? Medium { get; }

    /// <summary><see cref="Medium"/> of a disk that is no drive.</summary>
    public IBlockBackend Backend => Medium ?? throw Empty();

    private DiskImage Image => _content ?? throw Empty();

    /// <summary>Opens a disk as its specification says.</summary>
    /// <exception cref="IOException">The image cannot be opened. The message is for the user.</exception>
    /// <param name="log">Receives what opening has to report; null for nobody.</param>
    public static MachineDisk Open(DiskSpec spec, ILogger? log = null)
    {
        if (spec.IsEmpty)
        {
            return new MachineDisk(spec, null, null, isPersistent: true);
        }

        DiskOpenOptions options = OptionsOf(spec) with { Log = log };
        return spec.Snapshot && !spec.ReadOnly
            ? new MachineDisk(spec, TemporaryOverlay.Open(spec.Path, options), 1, isPersistent: false)
            : new MachineDisk(spec, DiskImages.Open(spec.Path, options), null, isPersistent: true);
    }

    /// <summary>
    /// The disk is a file of its own, and does not hold yet what the snapshot says: <see cref="PutBackDurably"/>, once nothing else of the
    /// snapshot can turn out to be damaged.
    /// </summary>
    public bool IsBehind { get; private set; }

    /// <summary>Opens a disk as a snapshot has it.</summary>
    /// <param name="stored">How the snapshot keeps it.</param>
    /// <param name="set">Of the snapshot.</param>
    /// <param name="isClone">The disk's own file is left alone: what is written lies over the snapshot's image.</param>
    /// <exception cref="SnapshotException">What the snapshot needs has changed.</exception>
    public static MachineDisk Open(DiskSpec spec, DiskManifest stored, SnapshotSet set, bool isClone)
    {
        Check(stored);
        if (stored.Kind == DiskKind.Referenced)
        {
            return Open(isClone ? spec with { Snapshot = !spec.ReadOnly } : spec);
        }

        DiskOpenOptions options = new() { Format = "qcow2", Backing = BackingAccess.Any };
        if (spec.ReadOnly)
        {
            return new MachineDisk(
                spec, DiskImages.Open(set.PathOfDisk(stored.File!), options with { ReadOnly = true }), null, isPersistent: true);
        }

        if (!spec.Snapshot && !isClone)
        {
            MachineDisk own = Open(spec);
            own.IsBehind = true;
            return own;
        }

        MachineDisk overlay = new(
            spec, TemporaryOverlay.Open(set.PathOfDisk(stored.File!), options), spec.Snapshot ? 1 + stored.Chain.Count : null,
            isPersistent: false);
        overlay.IsAt(set.Folder, stored.Chain);
        return overlay;
    }

    /// <summary>Opens what a snapshot has of a disk for reading; null for an empty drive.</summary>
    /// <exception cref="SnapshotException">What the snapshot needs has changed.</exception>
    public static IBlockBackend? OpenContent(DiskSpec spec, DiskManifest stored, SnapshotSet set)
    {
        if (spec.IsEmpty)
        {
            return null;
        }

        Check(stored);
        return stored.Kind == DiskKind.Referenced
            ? DiskImages.Open(spec.Path, OptionsOf(spec) with { ReadOnly = true })
            : DiskImages.Open(
                set.PathOfDisk(stored.File!), new DiskOpenOptions { Format = "qcow2", ReadOnly = true, Backing = BackingAccess.Any });
    }

    /// <summary>Begins to keep the disk's content for a snapshot; before the machine stands still.</summary>
    public DiskSaving Prepare(SnapshotDraft draft, int index)
    {
        if (_disk is null)
        {
            return new DiskSaving(this, null, null, Referenced());
        }

        SavedDisk? last = _saved.GetValueOrDefault(draft.SetFolder);
        bool isContinued = last is { Chain.Count: > 0 and < LongestChain } && last.Chain.All(file => File.Exists(draft.PathOfDisk(file)));
        (string name, string path) = draft.AddDisk(index);
        DiskImage? below = _overlays is null ? null : Below(_overlays.Value);
        string? backing = isContinued ? last!.Chain[0] : below is null ? null : Path.GetFullPath(Spec.Path);
        DiskCreateOptions options = new()
        {
            Size = Image.Sectors * 512,
            BackingFile = backing,
            BackingFormat = backing is null ? null : isContinued ? "qcow2" : below!.Format,
        };
        Qcow2Image target = Qcow2Image.Create(path, options);
        return new DiskSaving(this, target, isContinued ? last!.ChangedBefore : _disk.FindContent(below), new DiskManifest
        {
            Kind = DiskKind.Stored,
            Path = Path.GetFullPath(Spec.Path),
            Check = below is null ? null : FileCheck.Of(Spec.Path),
            Chain = isContinued ? [name, .. last!.Chain] : [name],
        });
    }

    /// <summary>The disk stays where it is: for a machine that ends with the snapshot. Its file must have been closed.</summary>
    public DiskManifest Referenced() => AtItsPlace() with { Check = Spec.IsEmpty ? null : FileCheck.Of(Spec.Path) };

    /// <summary>The same while the file is still open, and may change.</summary>
    public DiskManifest AtItsPlace() => new()
    {
        Kind = DiskKind.Referenced,
        Path = Spec.IsEmpty ? string.Empty : Path.GetFullPath(Spec.Path),
    };

    /// <summary>Whether the disk's own file has all of its content.</summary>
    public bool IsPersistent { get; }

    /// <summary>Keeps what the machine overwrites from here on, while it stands still; of a disk that can be written.</summary>
    public DiskCapture CaptureChanges(DiskImage store)
    {
        ClusterSet all = new(Image.Sectors * 512);
        all.AddRange(0, Image.Sectors * 512);
        return _disk!.Capture(all, store);
    }

    /// <summary>Gives the disk the content that it had at a snapshot, while its machine stands still.</summary>
    /// <exception cref="IOException">The snapshot's image cannot be read, or the disk not be written.</exception>
    public void PutBack(DiskManifest stored, SnapshotSet set)
    {
        if (_disk is null)
        {
            return;
        }

        using DiskImage image = OpenToPutBack(stored, set);
        ClusterSet clusters = _disk.FindContent(_overlays is { } overlays ? Below(overlays) : null);
        using (CapturableDisk old = new(image))
        {
            clusters.UnionWith(old.FindContent(_overlays is null ? null : Below(image, stored.Chain.Count)));
            Copy(old, _disk, clusters);
        }

        IsAt(set.Folder, stored.Chain);
        _disk.ForgetWritten();
    }

    /// <summary>Whether <see cref="PutBack"/> can do what it is for; before anything is changed.</summary>
    /// <exception cref="SnapshotException">The snapshot does not have the disk's content, or a disk of another size.</exception>
    public void CheckPutBack(DiskManifest stored, SnapshotSet set)
    {
        if (_disk is not null)
        {
            OpenToPutBack(stored, set).Dispose();
        }
    }

    /// <summary><see cref="PutBack"/>, onto stable storage.</summary>
    public void PutBackDurably(DiskManifest stored, SnapshotSet set)
    {
        PutBack(stored, set);
        _disk!.Flush();
        IsBehind = false;
    }

    internal DiskCapture Capture(ClusterSet? clusters, IBlockBackend target) => _disk!.Capture(clusters, target);

    /// <summary>For a disk that no board has.</summary>
    public void Dispose() => Medium?.Dispose();

    /// <summary>A snapshot has the disk's content, and the next one in the same set needs what is written from here on.</summary>
    /// <param name="written">Since the snapshot before, wherever that is: those in other sets lack it.</param>
    internal void WasSaved(string setFolder, IReadOnlyList<string> chain, ClusterSet written)
    {
        foreach (SavedDisk other in _saved.Values)
        {
            other.ChangedBefore.UnionWith(written);
        }

        _saved[setFolder] = new SavedDisk(chain, new ClusterSet(Image.Sectors * 512));
    }

    /// <summary>The disk holds what a snapshot has, and may differ in anything from those in other sets.</summary>
    private void IsAt(string setFolder, IReadOnlyList<string> chain)
    {
        _saved.Clear();
        _saved[setFolder] = new SavedDisk(chain, new ClusterSet(Image.Sectors * 512));
    }

    private DiskImage OpenToPutBack(DiskManifest stored, SnapshotSet set)
    {
        if (stored.Kind == DiskKind.Referenced)
        {
            throw new SnapshotException(
                $"The snapshot has not the content of the disk {Spec.Path}, which the machine has gone on writing to. Restore another " +
                $"snapshot.");
        }

        DiskImage image = DiskImages.Open(
            set.PathOfDisk(stored.File!), new DiskOpenOptions { Format = "qcow2", ReadOnly = true, Backing = BackingAccess.Any });
        if (image.Sectors == Image.Sectors)
        {
            return image;
        }

        long sectors = image.Sectors;
        image.Dispose();
        throw new SnapshotException(
            $"The disk {Spec.Path} has {Image.Sectors * 512:N0} bytes, and had {sectors * 512:N0} when the snapshot was made. Give it " +
            $"that size again.");
    }

    private static InvalidOperationException Empty() => new("An empty drive has no content.");

    private DiskImage? Below(int overlays) => Below(Image, overlays);

    private static DiskImage? Below(DiskImage? image, int overlays)
    {
        for (int i = 0; i < overlays; i++)
        {
            image = image?.Backing;
        }

        return image;
    }

    private static void Copy(CapturableDisk from, CapturableDisk to, ClusterSet clusters)
    {
        byte[] wanted = new byte[ClusterSet.ClusterSize];
        byte[] found = new byte[ClusterSet.ClusterSize];
        long size = to.Sectors * 512;
        foreach (long cluster in clusters.Members())
        {
            long offset = cluster * ClusterSet.ClusterSize;
            int length = (int)Math.Min(ClusterSet.ClusterSize, size - offset);
            from.Read(offset, wanted.AsSpan(0, length));
            to.Read(offset, found.AsSpan(0, length));
            if (!wanted.AsSpan(0, length).SequenceEqual(found.AsSpan(0, length)))
            {
                to.Write(offset, wanted.AsSpan(0, length));
            }
        }
    }

    private static void Check(DiskManifest stored)
    {
        if (stored.Check is { } check && FileCheck.Of(stored.Path) != check)
        {
            throw new SnapshotException(
                $"The disk {stored.Path} has changed since the snapshot was made, which needs it as it was. Restore another snapshot, or " +
                $"put the file back.");
        }
    }

    private static DiskOpenOptions OptionsOf(DiskSpec spec) => new()
    {
        Format = spec.Format,
        ReadOnly = spec.ReadOnly,
        Backing = DiskTool.ToAccess(spec.Backing),
    };

    /// <summary>What a set has of the disk.</summary>
    /// <param name="Chain">The names of the images, the newest first.</param>
    /// <param name="ChangedBefore">Clusters that were written between it and the last snapshot in any other set.</param>
    private sealed record SavedDisk(IReadOnlyList<string> Chain, ClusterSet ChangedBefore);
}
