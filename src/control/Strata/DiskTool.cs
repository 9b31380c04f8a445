using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Operations;
using Strata.Disks.Qcow2;

namespace Strata;

/// <summary>
/// Makes, describes and changes disk images while no machine uses them: what `strata disk` does. Members are safe on any thread.
/// </summary>
public static class DiskTool
{
    private const int SectorSize = 512;

    /// <summary>Every format.</summary>
    public static IReadOnlyList<DiskFormatDescription> Formats { get; } =
        [.. Disks.DiskImages.Formats.Select(format => new DiskFormatDescription(format.Name, format.Subformats))];

    /// <summary>An image's format, sizes, backing image and snapshots. No backing image is opened.</summary>
    /// <exception cref="StrataException">It cannot be read; so for every member.</exception>
    public static DiskDescription Describe(DiskSource image) => Guard(() =>
    {
        using DiskImage disk = Open(image with { Backing = BackingImages.Detached }, readOnly: true);
        using ImageFile file = ImageFile.Open(image.Path, readOnly: true);
        DiskImageInfo info = disk.Describe();
        return new DiskDescription
        {
            File = image.Path,
            Format = info.Format,
            Subformat = info.Subformat,
            VirtualSize = info.VirtualSize,
            AllocatedSize = file.AllocatedBytes,
            ClusterSize = info.ClusterSize,
            BackingFile = info.BackingFile,
            BackingFormat = info.BackingFormat,
            IsDirty = info.IsDirty,
            Snapshots = [.. info.Snapshots.Select(Of)],
        };
    });

    /// <summary>Looks for inconsistent metadata and lost space.</summary>
    /// <param name="repair">Correct what can be corrected without losing data. Nobody else may use the image.</param>
    public static DiskCheck Check(DiskSource image, bool repair) => Guard(() =>
    {
        using DiskImage disk = Disks.DiskImages.Open(
            image.Path, new DiskOpenOptions
            {
                Format = image.Format,
                ReadOnly = !repair,
                ForRepair = true,
                Backing = BackingAccess.Detached,
            });
        DiskCheckReport report = disk.Check(repair);
        return new DiskCheck { Errors = report.Errors, LeakedBytes = report.LeakedBytes, Repairs = report.Repairs };
    });

    /// <summary>Makes an empty disk, or an overlay of another image, whose size it has where none is said.</summary>
    public static void Create(string path, string format, DiskCreation creation) => Guard(() =>
    {
        ArgumentNullException.ThrowIfNull(creation);
        long? size = creation.Size;
        string? backingFormat = creation.BackingFormat;
        if (creation.BackingFile is { } backingFile)
        {
            // Opening the backing image now, before the overlay is made, finds a wrong name early.
            string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, backingFile);
            using DiskImage backing = Open(
                new DiskSource(file) { Format = backingFormat, Backing = BackingImages.Detached }, readOnly: true);
            backingFormat = backing.Format;
            size ??= backing.Sectors * SectorSize;
        }

        DiskCreateOptions options = Options(creation) with
        {
            Size = size ?? throw new StrataException(StrataError.BadInput, "How large is the disk to be? Give a size such as 10G."),
            BackingFile = creation.BackingFile,
            BackingFormat = backingFormat,
        };
        Disks.DiskImages.Create(path, format, options).Dispose();
    });

    /// <summary>Copies what a disk holds, through its backing images, into a new image, which gets its name when it is complete.</summary>
    /// <param name="creation">Of the new image; size and backing image do not count.</param>
    /// <param name="compress">Compress the new image's clusters (qcow2).</param>
    public static void Convert(
        DiskSource source, string target, string format, DiskCreation creation, bool compress, IProgress<DiskStep>? progress = null,
        CancellationToken cancellationToken = default) => Guard(() =>
    {
        ArgumentNullException.ThrowIfNull(creation);
        using DiskImage disk = Open(source, readOnly: true);
        DiskConversion.Run(
            disk, target, format, Options(creation) with { Size = disk.Sectors * SectorSize }, compress, Steps(progress),
            cancellationToken);
    });

    /// <summary>Says whether a guest would find the same bytes on two disks.</summary>
    public static DiskDifference Compare(
        DiskSource first, DiskSource second, IProgress<DiskStep>? progress = null,
        CancellationToken cancellationToken = default) => Guard(() =>
    {
        using DiskImage left = Open(first, readOnly: true);
        using DiskImage right = Open(second, readOnly: true);
        DiskComparison comparison = DiskComparison.Run(left, right, Steps(progress), cancellationToken);
        return new DiskDifference(comparison.DifferentAt, comparison.HasSameSize);
    });

    /// <summary>Changes the size of a disk.</summary>
    /// <param name="choose">From the old size to the new one, in bytes; may refuse by an exception.</param>
    public static void Resize(DiskSource image, Func<long, long> choose) => Guard(() =>
    {
        ArgumentNullException.ThrowIfNull(choose);
        using DiskImage disk = Open(image, readOnly: false);
        disk.Resize(choose(disk.Sectors * SectorSize));
    });

    /// <summary>Writes an overlay's changes into its backing image and empties the overlay.</summary>
    /// <param name="keep">Leave the overlay as it is.</param>
    public static void Commit(
        DiskSource overlay, bool keep, IProgress<DiskStep>? progress = null, CancellationToken cancellationToken = default) =>
        Guard(() => DiskChain.Commit(overlay.Path, OpenOptions(overlay, readOnly: false), keep, Steps(progress), cancellationToken));

    /// <summary>Puts an overlay on another backing image. The disk's content stays the same.</summary>
    /// <param name="backingFile">Relative to the overlay's folder, or absolute; null for none.</param>
    /// <param name="nameOnly">Change the name alone, for a backing image that was moved. With a different image the disk is
    /// destroyed.</param>
    public static void Rebase(
        DiskSource overlay, string? backingFile, string? backingFormat, bool nameOnly = false, IProgress<DiskStep>? progress = null,
        CancellationToken cancellationToken = default) => Guard(() =>
    {
        DiskOpenOptions options = OpenOptions(overlay, readOnly: false);
        if (nameOnly)
        {
            DiskChain.RebaseUnsafely(overlay.Path, backingFile, backingFormat, options);
        }
        else
        {
            DiskChain.Rebase(overlay.Path, backingFile, backingFormat, options, Steps(progress), cancellationToken);
        }
    });

    /// <summary>The snapshots inside a qcow2 image, oldest first.</summary>
    public static IReadOnlyList<DiskSnapshot> ListSnapshots(string path) => Guard(() =>
    {
        using Qcow2Image image = OpenQcow2(path, readOnly: true);
        return (IReadOnlyList<DiskSnapshot>)[.. image.Describe().Snapshots.Select(Of)];
    });

    /// <summary>Keeps the disk's present content under a name, inside its qcow2 image.</summary>
    public static void CreateSnapshot(string path, string name) =>
        ChangeSnapshots(path, name, image => image.CreateSnapshot(name, DateTimeOffset.UtcNow));

    /// <summary>Makes the disk what it was when a snapshot was taken; what was written since is lost.</summary>
    public static void ApplySnapshot(string path, string name) => ChangeSnapshots(path, name, image => image.ApplySnapshot(name));

    /// <summary>Forgets a snapshot and frees what only it used.</summary>
    public static void DeleteSnapshot(string path, string name) => ChangeSnapshots(path, name, image => image.DeleteSnapshot(name));

    internal static BackingAccess ToAccess(BackingImages backing) => backing switch
    {
        BackingImages.Any => BackingAccess.Any,
        BackingImages.None => BackingAccess.None,
        BackingImages.Detached => BackingAccess.Detached,
        _ => BackingAccess.SameFolder,
    };

    private static void ChangeSnapshots(string path, string name, Action<Qcow2Image> change) => Guard(() =>
    {
        if (string.IsNullOrEmpty(name))
        {
            throw new StrataException(StrataError.BadInput, "A snapshot needs a name.");
        }

        using Qcow2Image image = OpenQcow2(path, readOnly: false);
        change(image);
    });

    private static Qcow2Image OpenQcow2(string path, bool readOnly) =>
        Qcow2Image.Open(path, new DiskOpenOptions { ReadOnly = readOnly, Backing = BackingAccess.Detached });

    private static DiskImage Open(DiskSource source, bool readOnly) => Disks.DiskImages.Open(source.Path, OpenOptions(source, readOnly));

    private static DiskOpenOptions OpenOptions(DiskSource source, bool readOnly) => new()
    {
        Format = source.Format,
        ReadOnly = readOnly,
        Backing = ToAccess(source.Backing),
    };

    private static DiskCreateOptions Options(DiskCreation creation) => new()
    {
        Size = 0,
        Overwrite = creation.Overwrite,
        Subformat = creation.Subformat,
        ClusterSize = creation.ClusterSize,
        Version = creation.Version,
        RefcountBits = creation.RefcountBits,
        LazyRefcounts = creation.LazyRefcounts,
    };

    private static DiskSnapshot Of(DiskSnapshotInfo snapshot) => new(snapshot.Id, snapshot.Name, snapshot.Created, snapshot.VirtualSize);

    private static StepProgress? Steps(IProgress<DiskStep>? progress) => progress is null ? null : new StepProgress(progress);

    private static void Guard(Action work) => Guard(() =>
    {
        work();
        return true;
    });

    private static T Guard<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (DiskImageException error)
        {
            throw new StrataException(StrataError.BadInput, error.Message, error);
        }
    }

    private sealed class StepProgress(IProgress<DiskStep> progress) : IProgress<DiskProgress>
    {
        public void Report(DiskProgress value) => progress.Report(new DiskStep(value.Done, value.Total));
    }
}
