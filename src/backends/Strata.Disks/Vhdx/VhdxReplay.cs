using Strata.Disks.Images;

namespace Strata.Disks.Vhdx;

/// <summary>
/// What the log of a file that was not closed says about its metadata: pages and runs of zeros, in order. It is stored in a file that
/// is open for writing, and laid over what is read of one that is not.
/// </summary>
internal sealed class VhdxReplay
{
    private readonly List<(long Offset, long Length, byte[]? Bytes)> _pages = [];

    public bool IsEmpty => _pages.Count == 0;

    /// <summary>Bytes that the file must have at least.</summary>
    public long FileLength { get; set; }

    public void Add(long offset, byte[] page) => _pages.Add((offset, page.Length, page));

    public void AddZeros(long offset, long length) => _pages.Add((offset, length, null));

    /// <summary>Reads a structure of the file as it is after the replay.</summary>
    public void ReadStructure(ImageFile file, long offset, Span<byte> buffer, string structure)
    {
        file.ReadStructure(offset, buffer, structure);
        foreach ((long start, long length, byte[]? bytes) in _pages)
        {
            long from = Math.Max(start, offset);
            long to = Math.Min(start + length, offset + buffer.Length);
            if (from >= to)
            {
                continue;
            }

            Span<byte> target = buffer[(int)(from - offset)..(int)(to - offset)];
            if (bytes is null)
            {
                target.Clear();
            }
            else
            {
                bytes.AsSpan((int)(from - start), target.Length).CopyTo(target);
            }
        }
    }

    /// <summary>Stores it. Doing so again changes nothing.</summary>
    public void Apply(ImageFile file)
    {
        if (file.Length < FileLength)
        {
            file.SetLength(FileLength);
        }

        foreach ((long offset, long length, byte[]? bytes) in _pages)
        {
            if (bytes is null)
            {
                file.WriteZeros(offset, length);
            }
            else
            {
                file.Write(offset, bytes);
            }
        }

        file.Flush();
    }
}
