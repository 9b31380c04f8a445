using Strata.Core.Sharing;

namespace Strata.Images;

/// <summary>
/// Which build of an image a folder holds. A build replaces the folder at once, so files that were opened between two equal answers are of
/// one build; those of another could be a kernel without its modules.
/// </summary>
/// <param name="Number">Of the build's last file: another one than the build's before, which is deleted behind it.</param>
/// <param name="Finished">When that file was written; two builds can be within what the host tells apart.</param>
internal sealed record ImageBuild(ulong Number, FileTime Finished)
{
    /// <param name="folder">Null, for none.</param>
    /// <returns>Null if there is no image just now.</returns>
    public static ImageBuild? In(string? folder)
    {
        try
        {
            if (folder is null)
            {
                return null;
            }

            HostFileStatus status = HostFileStatus.Of(Path.Combine(folder, GuestImage.RecipeFile), followLink: true);
            return new ImageBuild(status.Number, status.Modified);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
