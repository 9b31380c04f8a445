using Strata.Disks.Images;
using Strata.Disks.Qcow2;

namespace Strata.Disks.Operations;

/// <summary>Makes an image of one format from an image of any other.</summary>
public static class DiskConversion
{
    /// <summary>
    /// Writes what <paramref name="source"/> shows, through its backing images, to a new image. The work is done under a temporary name
    /// beside the target; only a complete image gets the target's name. (Subformats of several files get their names at once.)
    /// </summary>
    /// <param name="options">Of the new image; its size is ignored, the source's counts.</param>
    /// <param name="compress">Compress the new image's clusters; qcow2 only.</param>
    /// <exception cref="DiskImageException">The target exists and may not be replaced, or reading or writing failed.</exception>
    /// <exception cref="OperationCanceledException">Nothing is left of the target.</exception>
    public static void Run(
        DiskImage source, string target, string format, DiskCreateOptions options, bool compress = false,
        IProgress<DiskProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(target);
        ArgumentNullException.ThrowIfNull(options);
        if (options.BackingFile is not null)
        {
            throw new DiskImageException(
                "A converted image holds all of the disk and has no backing image; use strata disk create and rebase for an overlay.");
        }

        if (!options.Overwrite && Path.Exists(target))
        {
            throw new DiskImageException($"{target} exists already; choose another name or allow it to be overwritten.");
        }

        if (DiskImages.Find(format).SubformatsOfSeveralFiles.Contains(options.Subformat))
        {
            using DiskImage image = DiskImages.Create(target, format, options with { Size = source.Sectors * 512 });
            DiskCopy.Run(source, image, compress: false, progress, cancellationToken);
            return;
        }

        FileInfo named = new(target);
        string place = named.LinkTarget is null ? target : named.ResolveLinkTarget(returnFinalTarget: true)!.FullName; // a link stays one
        CheckReplaceable(place);
        string temporary = $"{place}.{Guid.NewGuid():N}.part";
        try
        {
            using (DiskImage image = DiskImages.Create(temporary, format, options with { Size = source.Sectors * 512, Overwrite = false }))
            {
                if (compress && image is not Qcow2Image)
                {
                    throw new DiskImageException(
                        $"Images of the format {format} cannot be compressed; choose qcow2 or leave compression out.");
                }

                DiskCopy.Run(source, image, compress, progress, cancellationToken);
                image.Flush();
            }

            CheckReplaceable(place); // the copy took its time
            Rename(temporary, place, options.Overwrite);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The name may be given to another file: nobody uses the one that has it, and it is no device's.</summary>
    private static void CheckReplaceable(string target)
    {
        if (!File.Exists(target))
        {
            return;
        }

        using ImageFile file = ImageFile.Open(target, readOnly: false);
        if (file.IsDevice)
        {
            throw new DiskImageException(
                $"{target} is a device, and a new image is a file; choose another name, and copy the file to the device if need be.");
        }
    }

    private static void Rename(string temporary, string target, bool overwrite)
    {
        try
        {
            File.Move(temporary, target, overwrite);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DiskImageException($"The new image cannot get the name {target}: {error.Message}", error);
        }
    }
}
