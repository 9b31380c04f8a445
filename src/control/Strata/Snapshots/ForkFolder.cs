using Strata.Snapshots.Sets;

namespace Strata.Snapshots;

/// <summary>
/// A folder for the moments that clones begin at, which only its user can read. It is locked while its machine lives: one whose lock is
/// free is of a process that was killed, and goes when the next one is made. Clones that begin at it have its files open. Not safe on
/// several threads.
/// </summary>
internal sealed class ForkFolder : IDisposable
{
    private const string Prefix = "strata-fork-";
    private const string LockFile = ".owner";

    private readonly FileStream _lock;

    private ForkFolder(string folder)
    {
        _lock = new FileStream(Path.Combine(folder, LockFile), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        Store = new SnapshotStore(new SnapshotSet(folder) { IsDurable = false });
    }

    public SnapshotStore Store { get; }

    /// <summary>Makes a folder in the host's temporary one, and removes those of processes that are gone.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static ForkFolder Create()
    {
        foreach (string folder in Directory.EnumerateDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            RemoveIfAbandoned(folder);
        }

        return new ForkFolder(Directory.CreateTempSubdirectory(Prefix).FullName); // mode 0700
    }

    public void Dispose()
    {
        if (Directory.Exists(Store.Folder))
        {
            Directory.Delete(Store.Folder, recursive: true);
        }

        _lock.Dispose();
    }

    /// <summary>A folder that is being made has no lock yet, and one of another user cannot be opened: both stay.</summary>
    private static void RemoveIfAbandoned(string folder)
    {
        try
        {
            if (new DirectoryInfo(folder).LinkTarget is null)
            {
                using FileStream taken = new(Path.Combine(folder, LockFile), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                Directory.Delete(folder, recursive: true);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Its machine lives, or somebody else removes it.
        }
    }
}
