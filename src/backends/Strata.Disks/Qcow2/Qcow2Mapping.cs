using System.Buffers.Binary;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// Where the disk's clusters are: the L1 table, in memory, and the L2 tables, cached. Guarded by the image's lock.
/// </summary>
internal sealed class Qcow2Mapping
{
    private const int CacheBudget = 8 << 20;

    private readonly Qcow2File _file;
    private readonly Qcow2Metadata _metadata;
    private readonly Qcow2Refcounts _refcounts;
    private readonly Action<long> _release;
    private readonly Qcow2TableCache _tables;
    private readonly SortedSet<int> _dirtyRoots = [];
    private ulong[] _l1;

    /// <param name="writeBack">Writes everything that changed, in order.</param>
    /// <param name="release">Takes a cluster that lost a reference once what referred to it is written.</param>
    public Qcow2Mapping(Qcow2File file, Qcow2Metadata metadata, Qcow2Refcounts refcounts, Action writeBack, Action<long> release)
    {
        _file = file;
        _metadata = metadata;
        _refcounts = refcounts;
        _release = release;
        _tables = new Qcow2TableCache(file.File, file.ClusterSize, CacheBudget, writeBack);
        _l1 = file.ReadEntries(file.Header.L1Offset, file.Header.L1Size);
    }

    public ReadOnlySpan<ulong> L1 => _l1;

    public bool IsDirty => _tables.IsDirty || _dirtyRoots.Count != 0;

    public bool HasDirtyRoots => _dirtyRoots.Count != 0;

    /// <summary>Bytes of the disk that an L2 table maps.</summary>
    public long TableSpan => (long)_file.EntriesPerTable << _file.ClusterBits;

    /// <summary>Offset of the L2 table for a place of the disk; 0 if there is none.</summary>
    public long FindTable(long offset)
    {
        long index = offset / TableSpan;
        long table = (long)(_l1[index] & OffsetMask);
        return table == 0 || _file.IsInside(table, _file.ClusterSize)
            ? table
            : throw _file.Corrupt($"the L2 table {index} lies at {table}, where none can be");
    }

    /// <summary>The entry for the cluster at a place of the disk; 0 if there is no table.</summary>
    public Qcow2Entry this[long offset]
    {
        get
        {
            long table = FindTable(offset);
            return table == 0 ? default : new Qcow2Entry(_tables.ReadEntry(table, IndexOf(offset)), _file);
        }
    }

    /// <summary>Makes the table for a place of the disk exist and belong to this L1 alone.</summary>
    public void EnsureTable(long offset)
    {
        long old = FindTable(offset);
        int index = (int)(offset / TableSpan);
        if (old != 0 && (_l1[index] & Copied) != 0)
        {
            if (_metadata.IsFixed(old >> _file.ClusterBits))
            {
                throw _file.Corrupt($"the L2 table {index} lies in another structure");
            }

            return;
        }

        (long cluster, _) = _refcounts.Allocate(1);
        long table = cluster << _file.ClusterBits;
        if (_file.File.Length < table + _file.ClusterSize)
        {
            _file.File.SetLength(table + _file.ClusterSize); // it is written later, but lies inside the file from now on
        }

        _tables.Add(table, old == 0 ? default : _tables.Get(old));
        _metadata.AddTable(cluster);
        _l1[index] = (ulong)table | Copied;
        _dirtyRoots.Add(index);
        if (old != 0)
        {
            _metadata.RemoveTable(old >> _file.ClusterBits);
            _release(old >> _file.ClusterBits);
        }
    }

    /// <summary>Changes an entry; its table was ensured.</summary>
    public void Set(long offset, ulong entry) => _tables.WriteEntry(FindTable(offset), IndexOf(offset), entry);

    /// <summary>Gives up an L2 table without entries that matter.</summary>
    public void RemoveTable(int index)
    {
        long table = (long)(_l1[index] & OffsetMask);
        if (table != 0)
        {
            _l1[index] = 0;
            _dirtyRoots.Add(index);
            _tables.Drop(table);
            _metadata.RemoveTable(table >> _file.ClusterBits);
            _release(table >> _file.ClusterBits);
        }
    }

    /// <summary>Writes the L2 tables that changed, without flushing.</summary>
    public void WriteTables() => _tables.Write();

    /// <summary>Writes the L1 entries that changed, without flushing. The tables that they name must be on stable storage.</summary>
    public void WriteRoots()
    {
        Span<byte> entry = stackalloc byte[EntrySize];
        foreach (int index in _dirtyRoots)
        {
            BinaryPrimitives.WriteUInt64BigEndian(entry, _l1[index]);
            _file.File.Write(_file.Header.L1Offset + ((long)index * EntrySize), entry);
        }

        _dirtyRoots.Clear();
    }

    /// <summary>Forgets what is cached of a cluster that is free now.</summary>
    public void Drop(long cluster) => _tables.Drop(cluster << _file.ClusterBits);

    /// <summary>Forgets what is cached and reads the L1 table that the header names.</summary>
    public void Reload()
    {
        _tables.Clear();
        _dirtyRoots.Clear();
        _l1 = _file.ReadEntries(_file.Header.L1Offset, _file.Header.L1Size);
    }

    private int IndexOf(long offset) => (int)((offset >> _file.ClusterBits) & (_file.EntriesPerTable - 1));
}
