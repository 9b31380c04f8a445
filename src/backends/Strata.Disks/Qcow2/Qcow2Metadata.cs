using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// The clusters that hold metadata. An image from elsewhere can make a guest's cluster and its own header the same cluster; then the
/// guest would write the header, and with it the name of a backing file. Every write of data asks here first. Guarded by the
/// image's lock.
/// </summary>
internal sealed class Qcow2Metadata
{
    private readonly Qcow2File _file;
    private readonly HashSet<long> _fixed = []; // header, L1 tables, refcount table, snapshot table
    private readonly HashSet<long> _blocks = []; // refcount blocks
    private readonly HashSet<long> _tables = []; // L2 tables of the active L1
    private IReadOnlyList<Qcow2Snapshot> _snapshots = [];
    private int _snapshotTableLength;

    public Qcow2Metadata(Qcow2File file) => _file = file;

    /// <summary>Why the image must not be written, or null: two structures share a cluster.</summary>
    public string? Conflict { get; private set; }

    public bool IsFixed(long cluster) => _fixed.Contains(cluster);

    public bool Contains(long cluster) => _fixed.Contains(cluster) || _tables.Contains(cluster) || _blocks.Contains(cluster);

    public void AddBlock(long cluster) => _blocks.Add(cluster);

    public void AddTable(long cluster) => _tables.Add(cluster);

    public void RemoveTable(long cluster) => _tables.Remove(cluster);

    /// <summary>Collects everything anew.</summary>
    public void Rebuild(
        IReadOnlyList<Qcow2Snapshot> snapshots, int snapshotTableLength, ReadOnlySpan<ulong> refcountTable, ReadOnlySpan<ulong> l1)
    {
        _snapshots = snapshots;
        _snapshotTableLength = snapshotTableLength;
        Conflict = null;
        _blocks.Clear();
        _tables.Clear();
        MoveTables();
        foreach (ulong entry in refcountTable)
        {
            long cluster = (long)(entry & RefcountBlockMask) >> _file.ClusterBits;
            if (cluster != 0 && (_fixed.Contains(cluster) || !_blocks.Add(cluster)))
            {
                Conflict ??= $"the refcount block in cluster {cluster} lies in another structure";
            }
        }

        foreach (ulong entry in l1)
        {
            long cluster = (long)(entry & OffsetMask) >> _file.ClusterBits;
            if (cluster != 0)
            {
                _tables.Add(cluster);
                if (_fixed.Contains(cluster) || _blocks.Contains(cluster))
                {
                    Conflict ??= $"the L2 table in cluster {cluster} lies in another structure";
                }
            }
        }
    }

    /// <summary>Collects the tables that the header names anew.</summary>
    public void MoveTables()
    {
        Qcow2Header header = _file.Header;
        _fixed.Clear();
        AddFixed(0, _file.ClusterSize, "the header");
        AddFixed(header.L1Offset, (long)header.L1Size * EntrySize, "the L1 table");
        AddFixed(header.RefcountTableOffset, (long)header.RefcountTableClusters << _file.ClusterBits, "the refcount table");
        AddFixed(header.SnapshotsOffset, _snapshotTableLength, "the snapshot table");
        foreach (Qcow2Snapshot snapshot in _snapshots)
        {
            AddFixed(snapshot.L1Offset, (long)snapshot.L1Size * EntrySize, "a snapshot's L1 table");
        }
    }

    private void AddFixed(long offset, long length, string what)
    {
        foreach (long cluster in _file.ClustersOf(offset, length))
        {
            if (!_fixed.Add(cluster))
            {
                Conflict ??= $"{what} shares cluster {cluster} with another structure";
            }
        }
    }
}
