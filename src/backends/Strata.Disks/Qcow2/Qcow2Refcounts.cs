using System.Buffers.Binary;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// How often each cluster is referred to, in a table of blocks of counts; and the allocator that looks for zeros there. A count on
/// disk may be too high after a crash (a leak), never too low: raise counts, <see cref="Write"/> and flush before writing a reference;
/// write and flush the reference's end before lowering counts. Guarded by the image's lock.
/// </summary>
internal sealed class Qcow2Refcounts
{
    private const int CacheBudget = 1 << 20;

    private readonly Qcow2File _file;
    private readonly Qcow2Metadata _metadata;
    private readonly Qcow2TableCache _blocks;
    private readonly ulong _largest;
    private ulong[] _table;
    private long _firstFree; // no cluster below is free

    public Qcow2Refcounts(Qcow2File file, Qcow2Metadata metadata)
    {
        _file = file;
        _metadata = metadata;
        _blocks = new Qcow2TableCache(file.File, file.ClusterSize, CacheBudget, () => _blocks!.Write());
        _largest = ulong.MaxValue >> (64 - (1 << file.Header.RefcountOrder));
        _table = ReadTable();
    }

    /// <summary>Counts in a block.</summary>
    public int CountsPerBlock => _file.ClusterSize * 8 >> _file.Header.RefcountOrder;

    /// <summary>Largest count that the image can express.</summary>
    public ulong Largest => _largest;

    /// <summary>Offsets of the refcount blocks; 0 for one that does not exist.</summary>
    public ReadOnlySpan<ulong> Table => _table;

    public ulong this[long cluster]
    {
        get
        {
            long block = BlockOf(cluster);
            return block == 0 ? 0 : ReadCount(_blocks.Get(block), (int)(cluster % CountsPerBlock), _file.Header.RefcountOrder);
        }
    }

    public static ulong ReadCount(ReadOnlySpan<byte> block, int index, int order) => order switch
    {
        < 3 => (uint)(block[index >> (3 - order)] >> ((index & ((1 << (3 - order)) - 1)) << order)) & ((1U << (1 << order)) - 1),
        3 => block[index],
        4 => BinaryPrimitives.ReadUInt16BigEndian(block[(index * 2)..]),
        5 => BinaryPrimitives.ReadUInt32BigEndian(block[(index * 4)..]),
        _ => BinaryPrimitives.ReadUInt64BigEndian(block[(index * 8)..]),
    };

    public static void WriteCount(Span<byte> block, int index, int order, ulong count)
    {
        switch (order)
        {
            case < 3:
                int shift = (index & ((1 << (3 - order)) - 1)) << order;
                int mask = ((1 << (1 << order)) - 1) << shift;
                ref byte place = ref block[index >> (3 - order)];
                place = (byte)((place & ~mask) | ((int)count << shift));
                break;
            case 3:
                block[index] = (byte)count;
                break;
            case 4:
                BinaryPrimitives.WriteUInt16BigEndian(block[(index * 2)..], (ushort)count);
                break;
            case 5:
                BinaryPrimitives.WriteUInt32BigEndian(block[(index * 4)..], (uint)count);
                break;
            default:
                BinaryPrimitives.WriteUInt64BigEndian(block[(index * 8)..], count);
                break;
        }
    }

    /// <summary>Takes free clusters that lie one behind the other and counts one reference to each.</summary>
    /// <param name="wanted">Clusters; at least 1.</param>
    /// <returns>The first cluster, and how many were found there: 1 to <paramref name="wanted"/>.</returns>
    public (long First, int Count) Allocate(int wanted)
    {
        long first = FindFree(_firstFree);
        int count = 1;
        while (count < wanted && first + count < ClustersCovered && BlockOf(first + count) != 0 && this[first + count] == 0)
        {
            count++;
        }

        for (int i = 0; i < count; i++)
        {
            Set(first + i, 1);
        }

        _firstFree = first + count;
        return (first, count);
    }

    /// <summary>Counts one more reference.</summary>
    public void Add(long cluster)
    {
        ulong count = this[cluster];
        if (count == 0 || count == _largest)
        {
            throw _file.Corrupt($"cluster {cluster} has the reference count {count}, which cannot rise");
        }

        Set(cluster, count + 1);
    }

    /// <summary>Counts one reference less.</summary>
    /// <returns>Whether the cluster is free now.</returns>
    public bool Release(long cluster)
    {
        ulong count = this[cluster];
        if (count == 0)
        {
            throw _file.Corrupt($"cluster {cluster} is used but counted as free");
        }

        Set(cluster, count - 1);
        if (count == 1)
        {
            _firstFree = Math.Min(_firstFree, cluster);
        }

        return count == 1;
    }

    /// <summary>Corrects a count that is too high.</summary>
    /// <returns>Whether the cluster is free now.</returns>
    public bool Lower(long cluster, ulong count)
    {
        Set(cluster, count);
        if (count == 0)
        {
            _firstFree = Math.Min(_firstFree, cluster);
        }

        return count == 0;
    }

    /// <summary>Writes the counts that changed, without flushing the file.</summary>
    public void Write() => _blocks.Write();

    /// <summary>Forgets what is cached and reads the table that the header names.</summary>
    public void Reload()
    {
        _blocks.Clear();
        _table = ReadTable();
        _firstFree = 0;
    }

    private long ClustersCovered => (long)_table.Length * CountsPerBlock;

    /// <summary>Offset of the block that counts a cluster; 0 if there is none.</summary>
    private long BlockOf(long cluster)
    {
        long index = cluster / CountsPerBlock;
        if (index >= _table.Length)
        {
            return 0;
        }

        long offset = (long)(_table[index] & RefcountBlockMask);
        return offset == 0 || (_file.IsInside(offset, _file.ClusterSize) && !_metadata.IsFixed(offset >> _file.ClusterBits))
            ? offset
            : throw _file.Corrupt($"the refcount block {index} lies at {offset}, where none can be");
    }

    private void Set(long cluster, ulong count)
    {
        long block = BlockOf(cluster);
        if (block == 0)
        {
            throw _file.Corrupt($"cluster {cluster} is used but not counted");
        }

        int index = (int)(cluster % CountsPerBlock);
        int order = _file.Header.RefcountOrder;
        WriteCount(_blocks.Get(block), index, order, count);
        _blocks.MarkDirty(block, index << order >> 3, Math.Max(1, 1 << order >> 3));
    }

    private long FindFree(long cluster)
    {
        while (true)
        {
            EnsureBlock(cluster);
            if (this[cluster] == 0)
            {
                return _metadata.Contains(cluster)
                    ? throw _file.Corrupt($"cluster {cluster} holds metadata but is counted as free")
                    : cluster;
            }

            cluster++;
        }
    }

    /// <summary>Makes the block that counts a cluster: the block takes the first cluster that it counts itself.</summary>
    private void EnsureBlock(long cluster)
    {
        if (cluster >= ClustersCovered)
        {
            GrowTable();
        }

        if (BlockOf(cluster) != 0)
        {
            return;
        }

        long index = cluster / CountsPerBlock;
        long first = index * CountsPerBlock;
        if (_metadata.Contains(first))
        {
            throw _file.Corrupt($"cluster {first} holds metadata but is not counted");
        }

        byte[] block = new byte[_file.ClusterSize];
        WriteCount(block, 0, _file.Header.RefcountOrder, 1);
        _file.File.Write(first << _file.ClusterBits, block);
        _file.File.Flush(); // a table must not point to what is not there
        _table[index] = (ulong)first << _file.ClusterBits;
        WriteTableEntry(index);
        _metadata.AddBlock(first);
    }

    private void WriteTableEntry(long index)
    {
        byte[] entry = new byte[EntrySize];
        BinaryPrimitives.WriteUInt64BigEndian(entry, _table[index]);
        _file.File.Write(_file.Header.RefcountTableOffset + (index * EntrySize), entry);
    }

    /// <summary>
    /// Moves the table to a larger place, behind every cluster that the old one could count. New blocks and the table count
    /// themselves; the header's change makes them valid at once.
    /// </summary>
    private void GrowTable()
    {
        int perTable = _file.EntriesPerTable;
        long tableClusters = (_table.Length / perTable * 3 / 2) + 1;
        if (tableClusters << _file.ClusterBits > Math.Max(LargestRefcountTable, _file.ClusterSize)
            || ClustersCovered > (long)(OffsetMask >> _file.ClusterBits) - (2 * tableClusters))
        {
            throw new Images.DiskImageException(
                $"{_file.Path} has reached the largest size for its cluster size; convert it to one with larger clusters.");
        }

        long start = ClustersCovered;
        long blocks = 1;
        while (blocks * CountsPerBlock < tableClusters + blocks)
        {
            blocks++;
        }

        ulong[] table = new ulong[tableClusters * perTable];
        _table.CopyTo(table, 0);
        byte[] block = new byte[_file.ClusterSize];
        for (long i = 0; i < blocks; i++)
        {
            block.AsSpan().Clear();
            for (int j = 0; j < CountsPerBlock && (i * CountsPerBlock) + j < blocks + tableClusters; j++)
            {
                WriteCount(block, j, _file.Header.RefcountOrder, 1);
            }

            table[_table.Length + i] = (ulong)(start + i) << _file.ClusterBits;
            _file.File.Write((start + i) << _file.ClusterBits, block);
        }

        long oldFirst = _file.Header.RefcountTableOffset >> _file.ClusterBits;
        int oldCount = _file.Header.RefcountTableClusters;
        _file.File.Write((start + blocks) << _file.ClusterBits, SerializeTable(table));
        _file.File.Flush();
        _file.WriteHeader(
            _file.Header with { RefcountTableOffset = (start + blocks) << _file.ClusterBits, RefcountTableClusters = (int)tableClusters });
        _file.File.Flush();
        _table = table;
        _metadata.MoveTables();
        for (long i = 0; i < blocks; i++)
        {
            _metadata.AddBlock(start + i);
        }

        for (int i = 0; i < oldCount; i++)
        {
            Release(oldFirst + i);
        }
    }

    public static byte[] SerializeTable(ReadOnlySpan<ulong> table)
    {
        byte[] bytes = new byte[table.Length * EntrySize];
        for (int i = 0; i < table.Length; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(i * EntrySize), table[i]);
        }

        return bytes;
    }

    private ulong[] ReadTable() =>
        _file.ReadEntries(_file.Header.RefcountTableOffset, _file.Header.RefcountTableClusters * _file.EntriesPerTable);
}
