namespace Strata.Images;

/// <summary>
/// Images that were built, a folder each: there whole or not at all. A build happens in a folder beside, which is renamed when it is
/// complete, under a lock that other processes see as well.
/// </summary>
/// <param name="folder">Where, or null for $XDG_CACHE_HOME/strata or ~/.cache/strata.</param>
public sealed class ImageCache(string? folder = null)
{
    /// <summary>
    /// What opening a file says that somebody else has locked: EWOULDBLOCK of Linux and of the BSDs, a sharing violation.
    /// </summary>
    private static readonly int[] HeldByAnother = [11, 35, unchecked((int)0x80070020)];

    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(200);

    public string Folder { get; } = Path.GetFullPath(folder ?? Path.Combine(UserFolders.Cache, "strata"));

    /// <summary>The folder of an image, whether it exists or not.</summary>
    public string PathOf(string image) => Path.Combine(Folder, image);

    /// <summary>Takes the place of other builders of an image; waits until they are done.</summary>
    /// <param name="progress">Hears of it if there is something to wait for.</param>
    /// <exception cref="StrataException">The cache cannot be written.</exception>
    public async Task<IDisposable> LockAsync(string image, IProgress<string>? progress, CancellationToken cancellationToken)
    {
        string path = PathOf(image) + ".lock";
        bool told = false;
        while (true)
        {
            try
            {
                Directory.CreateDirectory(Folder);
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (Exception error) when (
                error is UnauthorizedAccessException || (error is IOException && !HeldByAnother.Contains(error.HResult)))
            {
                throw new StrataException(
                    StrataError.Host,
                    $"The image cache {Folder} cannot be written: {error.Message} Change its permissions, or set XDG_CACHE_HOME to " +
                    $"another folder.",
                    error);
            }
            catch (IOException)
            {
                if (!told)
                {
                    progress?.Report($"Waiting for another process that works on {image}");
                    told = true;
                }
            }

            await Task.Delay(LockInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Builds an image and puts it in the place of an older one. The caller holds the lock.</summary>
    /// <param name="build">Fills the folder that it is given; if it throws, the cache stays as it was.</param>
    public async Task ReplaceAsync(string image, Func<string, Task> build)
    {
        ArgumentNullException.ThrowIfNull(build);
        string staging = PathOf(image) + ".new";
        DeleteFolder(staging); // of a builder that was killed
        Directory.CreateDirectory(staging);
        try
        {
            await build(staging).ConfigureAwait(false);
            bool hadOld = MoveAway(image); // the old one is deleted when the new one is there: for a moment only there is none
            Directory.Move(staging, PathOf(image));
            if (hadOld)
            {
                DeleteFolder(OldOf(image));
            }
        }
        finally
        {
            DeleteFolder(staging);
        }
    }

    /// <summary>Removes an image; machines that run from it go on. The caller holds the lock.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(string image)
    {
        bool wasThere = MoveAway(image); // at once, so that nobody finds half an image
        DeleteFolder(OldOf(image));
        return wasThere;
    }

    private string OldOf(string image) => PathOf(image) + ".old";

    /// <returns>Whether there was something.</returns>
    private bool MoveAway(string image)
    {
        DeleteFolder(OldOf(image)); // of one who was killed
        if (!Directory.Exists(PathOf(image)))
        {
            return false;
        }

        Directory.Move(PathOf(image), OldOf(image));
        return true;
    }

    private static void DeleteFolder(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }
}
