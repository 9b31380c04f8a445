namespace Strata.Disks.Blocks;

/// <summary>A table of an image as its bytes in the file, which remembers what changed by pages of 4 KiB. Not thread-safe.</summary>
/// <param name="offset">Where the table starts; bytes from the start of the file.</param>
internal sealed class TableBytes(long offset, byte[] bytes)
{
    private const int PageSize = 4096;
    private readonly SortedSet<int> _changed = [];

    public ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>The bytes of an entry, to be written.</summary>
    /// <param name="index">Index of the entry.</param>
    /// <param name="size">Bytes of an entry; a power of two.</param>
    public Span<byte> Change(long index, int size)
    {
        int at = checked((int)(index * size));
        _changed.Add(at / PageSize);
        return bytes.AsSpan(at, size);
    }

    /// <summary>Appends copies of the changed pages and forgets that they changed.</summary>
    /// <returns>False when nothing had changed.</returns>
    public bool TakeChanges(List<MetadataWrite> writes)
    {
        foreach (int page in _changed)
        {
            int at = page * PageSize;
            writes.Add(new MetadataWrite(offset + at, bytes.AsSpan(at, Math.Min(PageSize, bytes.Length - at)).ToArray()));
        }

        bool any = _changed.Count > 0;
        _changed.Clear();
        return any;
    }
}
