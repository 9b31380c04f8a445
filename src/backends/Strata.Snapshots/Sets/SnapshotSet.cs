using Strata.Snapshots.Memory;

namespace Strata.Snapshots.Sets;

/// <summary>
/// The snapshots of one machine: a folder that only its user can read.
/// <code>
/// SET/.lock                  held by whoever changes the set
/// SET/layers/ID.mem          chunks of memory, shared by snapshots
/// SET/disks/ID.qcow2         what disks held, each over an earlier one or over an image that does not change
/// SET/NAME/                  a snapshot: manifest.json, units.bin, pages.map, SHA256SUMS
/// SET/.new-ID, .old-ID       one that is being made or removed: of no meaning when nobody holds the lock
/// </code>
/// A snapshot is there when its folder has its name, which one rename(2) gives and takes: whoever is killed leaves the old set or the new
/// one. What nobody needs any more is removed by the next change. Safe on any thread and between processes.
/// </summary>
public sealed class SnapshotSet
{
    internal const string ManifestFile = "manifest.json";
    internal const string UnitsFile = "units.bin";
    internal const string PagesFile = "pages.map";
    internal const string NewPrefix = ".new-";
    private const string OldPrefix = ".old-";
    private const string LockFile = ".lock";

    /// <summary>What opening a file says that somebody else has locked: EWOULDBLOCK of Linux.</summary>
    private const int HeldByAnother = 11;

    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(20);

    /// <param name="folder">Made when the first snapshot is.</param>
    public SnapshotSet(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Folder = Path.GetFullPath(folder);
    }

    public string Folder { get; }

    /// <summary>
    /// Whether a snapshot is on stable storage when it is there. Without that it is made sooner, and holds as long as the host runs: for
    /// sets that nobody needs afterwards.
    /// </summary>
    public bool IsDurable { get; init; } = true;

    internal string LayerFolder => Path.Combine(Folder, "layers");

    internal string DiskFolder => Path.Combine(Folder, "disks");

    /// <summary>The snapshots, the oldest first, and what is wrong with those that cannot be used.</summary>
    public IReadOnlyList<SnapshotEntry> List()
    {
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        List<SnapshotEntry> entries = [];
        foreach (string path in Directory.EnumerateDirectories(Folder))
        {
            string name = Path.GetFileName(path);
            if (!SnapshotName.IsValid(name) || name is "layers" or "disks")
            {
                continue;
            }

            try
            {
                entries.Add(new SnapshotEntry(name, Snapshot.ReadManifest(path, name), null));
            }
            catch (SnapshotException error)
            {
                // One that is removed at this moment is no snapshot any more.
                if (Directory.Exists(path))
                {
                    entries.Add(new SnapshotEntry(name, null, error.Message));
                }
            }
        }

        return [
            .. entries.OrderBy(entry => entry.Manifest?.Created ?? DateTime.MaxValue).ThenBy(entry => entry.Name, StringComparer.Ordinal)];
    }

    public bool Contains(string name) => SnapshotName.IsValid(name) && Directory.Exists(PathOf(name));

    /// <summary>Opens a snapshot; it stays usable if it is deleted meanwhile.</summary>
    /// <exception cref="SnapshotException">There is none of this name, or it is damaged.</exception>
    public Snapshot Open(string name)
    {
        SnapshotName.Check(name);
        if (!Directory.Exists(PathOf(name)))
        {
            string[] names = [.. List().Select(entry => entry.Name)];
            throw new SnapshotException(
                $"There is no snapshot \"{name}\"; " + (
                    names.Length == 0 ? "there is none of this machine yet." : $"there are {string.Join(", ", names)}."));
        }

        return Snapshot.Open(this, name);
    }

    /// <summary>Begins a snapshot. Nothing else changes the set until the draft is committed or disposed.</summary>
    /// <exception cref="SnapshotException">The name is taken or impossible, or the folder cannot be written.</exception>
    public async Task<SnapshotDraft> BeginAsync(string name, CancellationToken cancellationToken = default)
    {
        SnapshotName.Check(name);
        if (name is "layers" or "disks")
        {
            throw new SnapshotException($"A snapshot cannot be called \"{name}\", as a folder of the set is; give another name.");
        }

        FileStream hold = await LockAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Path.Exists(PathOf(name)))
            {
                throw new SnapshotException($"There is a snapshot \"{name}\" already; delete it first, or give another name.");
            }

            CollectGarbage();
            return new SnapshotDraft(this, name, hold);
        }
        catch
        {
            await hold.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes a snapshot, and what only it needed.</summary>
    /// <exception cref="SnapshotException">There is none of this name.</exception>
    public async Task DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        SnapshotName.Check(name);
        FileStream hold = await LockAsync(cancellationToken).ConfigureAwait(false);
        await using (hold.ConfigureAwait(false))
        {
            if (!Directory.Exists(PathOf(name)))
            {
                throw new SnapshotException($"There is no snapshot \"{name}\".");
            }

            Directory.Move(PathOf(name), Path.Combine(Folder, OldPrefix + Guid.NewGuid().ToString("N")));
            FlushFolder(Folder);
            CollectGarbage();
        }
    }

    /// <summary>Brings a folder's entries to stable storage, in a set that promises that.</summary>
    internal void FlushFolder(string path)
    {
        if (IsDurable)
        {
            SnapshotFolder.Flush(path);
        }
    }

    internal string PathOf(string name) => Path.Combine(Folder, name);

    internal string PathOfLayer(string name) => Path.Combine(LayerFolder, name);

    /// <summary>Where a disk's image is, by its name in a manifest.</summary>
    public string PathOfDisk(string name) => Path.Combine(DiskFolder, name);

    /// <summary>Waits until nobody else changes the set.</summary>
    private async Task<FileStream> LockAsync(CancellationToken cancellationToken)
    {
        try
        {
            SnapshotFolder.Create(Folder);
            SnapshotFolder.Create(LayerFolder);
            SnapshotFolder.Create(DiskFolder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException($"The folder for snapshots {Folder} cannot be made: {error.Message}", error);
        }

        FileStreamOptions options = new()
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None, // flock(2), which ends with its process
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(Path.Combine(Folder, LockFile), options);
            }
            catch (Exception error) when (error is UnauthorizedAccessException || (error is IOException && error.HResult != HeldByAnother))
            {
                throw new SnapshotException($"The folder for snapshots {Folder} cannot be written: {error.Message}", error);
            }
            catch (IOException)
            {
                await Task.Delay(LockPoll, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Removes what was left over by who was killed, and layers and disks that no snapshot needs. Under the lock. A snapshot that cannot
    /// be read may need anything: then nothing is removed but leftovers.
    /// </summary>
    private void CollectGarbage()
    {
        foreach (string path in Directory.EnumerateDirectories(Folder, ".*"))
        {
            string name = Path.GetFileName(path);
            if (name.StartsWith(NewPrefix, StringComparison.Ordinal) || name.StartsWith(OldPrefix, StringComparison.Ordinal))
            {
                Directory.Delete(path, recursive: true);
            }
        }

        IReadOnlyList<SnapshotEntry> entries = List();
        if (entries.Any(entry => entry.Manifest is null))
        {
            return;
        }

        HashSet<string> layers = [.. entries.SelectMany(entry => entry.Manifest!.Memory.Layers)];
        HashSet<string> disks = [.. entries.SelectMany(entry => entry.Manifest!.Disks).SelectMany(disk => disk.Chain)];
        RemoveUnused(LayerFolder, layers);
        RemoveUnused(DiskFolder, disks);
    }

    private static void RemoveUnused(string folder, HashSet<string> used)
    {
        foreach (string path in Directory.EnumerateFiles(folder).Where(path => !used.Contains(Path.GetFileName(path))))
        {
            File.Delete(path);
        }
    }
}
