using System.Numerics;

namespace Strata.Disks.Capturing;

/// <summary>
/// A set of a disk's clusters of 64 KiB. Adding and removing are atomic for a cluster; what walks the set must know that nobody changes it,
/// or not mind.
/// </summary>
public sealed class ClusterSet
{
    /// <summary>Bytes of a cluster: that of qcow2 images by default.</summary>
    public const int ClusterSize = 64 << 10;

    private readonly long[] _words;

    /// <param name="bytes">The disk's size; its last cluster may be a part of one.</param>
    public ClusterSet(long bytes)
    {
        Count = (bytes + ClusterSize - 1) / ClusterSize;
        _words = new long[checked((int)((Count + 63) / 64))];
    }

    /// <summary>Clusters of the disk, in the set or not.</summary>
    public long Count { get; }

    public bool Contains(long cluster) => (Volatile.Read(ref _words[cluster >> 6]) >> (int)(cluster & 63) & 1) != 0;

    public void Add(long cluster) => Interlocked.Or(ref _words[cluster >> 6], 1L << (int)(cluster & 63));

    public void Remove(long cluster) => Interlocked.And(ref _words[cluster >> 6], ~(1L << (int)(cluster & 63)));

    /// <summary>Adds every cluster of which a range has a byte.</summary>
    /// <param name="offset">Bytes; inside the disk, as is the end.</param>
    public void AddRange(long offset, long length)
    {
        if (length <= 0)
        {
            return;
        }

        for (long cluster = offset / ClusterSize; cluster <= (offset + length - 1) / ClusterSize; cluster++)
        {
            if (!Contains(cluster))
            {
                Add(cluster);
            }
        }
    }

    /// <summary>Adds another set's clusters.</summary>
    public void UnionWith(ClusterSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        ArgumentOutOfRangeException.ThrowIfNotEqual(other.Count, Count, nameof(other));
        for (int i = 0; i < _words.Length; i++)
        {
            Interlocked.Or(ref _words[i], Volatile.Read(ref other._words[i]));
        }
    }

    /// <summary>How many clusters are in the set.</summary>
    public long CountMembers() => _words.Sum(word => (long)BitOperations.PopCount((ulong)word));

    /// <summary>The clusters in ascending order.</summary>
    public IEnumerable<long> Members()
    {
        for (int i = 0; i < _words.Length; i++)
        {
            for (ulong left = (ulong)Volatile.Read(ref _words[i]); left != 0; left &= left - 1)
            {
                yield return ((long)i * 64) + BitOperations.TrailingZeroCount(left);
            }
        }
    }
}
