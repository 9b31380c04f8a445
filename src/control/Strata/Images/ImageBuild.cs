using Strata.Core.Sharing;

namespace Strata.Images;

/// <summary>
/// Which build of an image a folder holds. A build replaces the folder at once, so files that were opened between two equal answers are of one
/// build; those of another could be a kernel without its modules.
/// </summary>
/// <param name="Finished">When the build's last file was written.</param>
internal sealed record ImageBuild(FileTime Finished)
{
    /// <param name="folder">Null, for none.</param>
    /// <returns>Null if there is no image just now.</returns>
    public static ImageBuild? In(string? folder)
    {
        try
        {
            return folder is null ? null : new ImageBuild(HostFileStatus.Of(Path.Combine(folder, GuestImage.RecipeFile), followLink: true).Modified);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
