using Strata.Disks.Images;

namespace Strata.Disks;

/// <summary>
/// Keeps a disk whose raw format was only guessed from becoming another format. Its first bytes belong to the guest, who could write
/// a header there that names any file of the host as backing; the next start would guess that format and show the guest that
/// file. A disk whose format was stated needs no guard: nobody will guess.
/// </summary>
internal sealed class RawProbeGuard(ImageFile file)
{
    /// <exception cref="DiskImageException">After this write the image would be taken for another format.</exception>
    public void Check(long offset, ReadOnlySpan<byte> buffer)
    {
        long end = offset + buffer.Length;
        bool touchesStart = offset < DiskProbe.StartSize;
        bool touchesEnd = end > file.Length - DiskProbe.EndSize;
        if (!touchesStart && !touchesEnd)
        {
            return;
        }

        DiskProbe before = DiskProbe.Read(file);
        DiskProbe after = before.With(offset, buffer);
        if (DiskImages.Match(after).FirstOrDefault() is { } format)
        {
            throw new DiskImageException(
                $"A write to {file.Path} was refused because the image would then look like {format.Name}, and its raw format was only " +
                $"guessed; state format=raw to allow it.");
        }
    }
}
