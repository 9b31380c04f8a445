using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>References counted in memory, and the tables on disk that say so.</summary>
internal sealed class Qcow2Counts
{
    private const int PageBits = 8;
    private const int PageSize = 1 << PageBits;

    /// <summary>A GiB: a fully allocated image of 16 TiB with clusters of 64 KiB.</summary>
    private const int MostPages = 1 << 20;

    private readonly Dictionary<long, uint[]> _pages = [];

    public uint this[long cluster] => _pages.TryGetValue(cluster >> PageBits, out uint[]? page) ? page[cluster & (PageSize - 1)] : 0;

    /// <summary>Every cluster with references and how many it has, in order.</summary>
    public IEnumerable<(long Cluster, uint Count)> All
    {
        get
        {
            foreach ((long index, uint[] page) in _pages.OrderBy(page => page.Key))
            {
                for (int i = 0; i < PageSize; i++)
                {
                    if (page[i] != 0)
                    {
                        yield return ((index << PageBits) + i, page[i]);
                    }
                }
            }
        }
    }

    public void Add(long cluster, uint times)
    {
        if (!_pages.TryGetValue(cluster >> PageBits, out uint[]? page))
        {
            if (_pages.Count == MostPages)
            {
                throw new DiskImageException(
                    "The image refers to more places than a gibibyte of memory can count; it cannot be checked or changed as a whole.");
            }

            page = _pages[cluster >> PageBits] = new uint[PageSize];
        }

        ref uint count = ref page[cluster & (PageSize - 1)];
        if (times > uint.MaxValue - count)
        {
            throw new DiskImageException($"The image refers to cluster {cluster} more often than can be counted; restore it from a copy.");
        }

        count += times;
    }

    public void Remove(long cluster) => _pages[cluster >> PageBits][cluster & (PageSize - 1)]--;

    /// <summary>
    /// Writes a refcount table and its blocks into clusters that nobody uses yet, which are counted too. No header names them yet.
    /// </summary>
    /// <param name="start">First cluster of the room; nothing behind it is in use.</param>
    /// <returns>Offset of the table and its clusters.</returns>
    /// <exception cref="DiskImageException">A count is larger than the image can express.</exception>
    public (long Table, int Clusters) Write(Qcow2File file, long start)
    {
        int order = file.Header.RefcountOrder;
        int perBlock = file.ClusterSize * 8 >> order;
        ulong largest = ulong.MaxValue >> (64 - (1 << order));
        SortedSet<long> blocks = [];
        foreach ((long cluster, uint count) in All)
        {
            blocks.Add(cluster / perBlock);
            if (count > largest)
            {
                throw new DiskImageException(
                    $"{file.Path} counts references with {1 << order} bits, which is too few for this; convert it to an image with 16 " +
                    $"bits.");
            }
        }

        long tableClusters = PlanRoom(file, start, perBlock, blocks);
        for (long i = 0; i < blocks.Count + tableClusters; i++)
        {
            Add(start + i, 1);
        }

        ulong[] table = new ulong[tableClusters * file.EntriesPerTable];
        byte[] bytes = new byte[file.ClusterSize];
        long place = start;
        foreach (long index in blocks)
        {
            for (int i = 0; i < perBlock; i++)
            {
                Qcow2Refcounts.WriteCount(bytes, i, order, this[(index * perBlock) + i]);
            }

            table[index] = (ulong)place << file.ClusterBits;
            file.File.Write(place++ << file.ClusterBits, bytes);
        }

        file.File.Write(place << file.ClusterBits, Qcow2Refcounts.SerializeTable(table));
        return (place << file.ClusterBits, (int)tableClusters);
    }

    /// <summary>Adds the blocks that count the blocks and the table themselves.</summary>
    /// <returns>Clusters of the table.</returns>
    private static long PlanRoom(Qcow2File file, long start, int perBlock, SortedSet<long> blocks)
    {
        while (true)
        {
            int before = blocks.Count;
            long tableClusters = (blocks.Max / file.EntriesPerTable) + 1;
            if (tableClusters << file.ClusterBits > Math.Max(LargestRefcountTable, file.ClusterSize))
            {
                throw new DiskImageException(
                    $"{file.Path} has reached the largest size for its cluster size; convert it to one with larger clusters.");
            }

            for (long index = start / perBlock; index <= (start + before + tableClusters - 1) / perBlock; index++)
            {
                blocks.Add(index);
            }

            if (blocks.Count == before && (blocks.Max / file.EntriesPerTable) + 1 == tableClusters)
            {
                return tableClusters;
            }
        }
    }
}
