using System.Buffers.Binary;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// Follows every reference of an image and counts it. Each L2 table is read once, however many L1 tables share it, and holes are not read:
/// the time is bounded by the space that the file really takes.
/// </summary>
internal sealed class Qcow2Scan(Qcow2File file)
{
    private const int MostMessages = 50;

    private readonly List<string> _errors = [];
    private readonly Dictionary<long, uint> _tables = [];
    private int _unmentioned;

    public Qcow2Counts Counts { get; } = new();

    public bool HasErrors => _errors.Count != 0;

    public IReadOnlyList<string> Errors => _unmentioned == 0 ? _errors : [.. _errors, $"and {_unmentioned:N0} more"];

    public void Report(string error)
    {
        if (_errors.Count < MostMessages)
        {
            _errors.Add(error);
        }
        else
        {
            _unmentioned++;
        }
    }

    /// <summary>The header, the L1 tables, all that they lead to, and the snapshot table; not the reference counts themselves.</summary>
    public void CountContent(Qcow2Header header, ReadOnlySpan<ulong> l1, IReadOnlyList<Qcow2Snapshot> snapshots, int snapshotTableLength)
    {
        AddRange(0, file.ClusterSize);
        AddRange(header.L1Offset, (long)header.L1Size * EntrySize);
        AddRange(header.SnapshotsOffset, snapshotTableLength);
        AddRoots(l1, "the active L1 table");
        long budget = Math.Max(file.File.Length, file.ClusterSize);
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            budget -= (long)snapshot.L1Size * EntrySize;
            if (budget < 0)
            {
                Report("the snapshots' L1 tables are larger than the file");
                break;
            }

            AddRange(snapshot.L1Offset, (long)snapshot.L1Size * EntrySize);
            AddRoots(file.ReadEntries(snapshot.L1Offset, snapshot.L1Size), $"the L1 table of snapshot {snapshot.Id}");
        }

        foreach ((long table, uint times) in _tables)
        {
            Counts.Add(table >> file.ClusterBits, times);
            CountTable(table, times);
        }

        if ((header.Autoclear & AutoclearBitmaps) != 0)
        {
            CountBitmaps(header);
        }
    }

    /// <summary>The refcount table and its blocks.</summary>
    /// <returns>Whether no two blocks are the same.</returns>
    public bool CountRefcounts(Qcow2Header header, ReadOnlySpan<ulong> table)
    {
        AddRange(header.RefcountTableOffset, (long)header.RefcountTableClusters << file.ClusterBits);
        HashSet<long> seen = [];
        bool isSound = true;
        foreach (ulong entry in table)
        {
            long offset = (long)(entry & RefcountBlockMask);
            if (offset == 0)
            {
                continue;
            }

            if (offset < 0 || !file.IsInside(offset, file.ClusterSize) || !seen.Add(offset))
            {
                Report($"a refcount block at {(ulong)offset} is used twice or lies where none can be");
                isSound = false;
                continue;
            }

            Counts.Add(offset >> file.ClusterBits, 1);
        }

        return isSound;
    }

    /// <summary>The entries of an L2 table; empty for a hole, whose entries are zeros.</summary>
    public ulong[] ReadTable(long offset) => IsHole(offset) ? [] : file.ReadEntries(offset, file.EntriesPerTable);

    /// <summary>Whether the file has no bytes for a cluster, so that all of it is zeros.</summary>
    public bool IsHole(long offset)
    {
        (long length, bool isData) = file.File.FindExtent(offset, file.ClusterSize);
        return !isData && length >= file.ClusterSize;
    }

    public bool IsTable(long offset) => _tables.ContainsKey(offset);

    private void AddRange(long offset, long length)
    {
        foreach (long cluster in file.ClustersOf(offset, length))
        {
            Counts.Add(cluster, 1);
        }
    }

    private void AddRoots(ReadOnlySpan<ulong> l1, string what)
    {
        for (int i = 0; i < l1.Length; i++)
        {
            long table = (long)(l1[i] & OffsetMask);
            if (table == 0)
            {
                continue;
            }

            if (!file.IsInside(table, file.ClusterSize))
            {
                Report($"entry {i} of {what} names a table at {table}, where none can be");
                continue;
            }

            uint times = _tables.GetValueOrDefault(table);
            _tables[table] = Math.Max(times, times + 1);
        }
    }

    private void CountTable(long table, uint times)
    {
        ulong[] entries = ReadTable(table);
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i] == 0)
            {
                continue;
            }

            Qcow2Entry entry = new(entries[i], file);
            if (entry.Kind == Qcow2ClusterKind.Compressed)
            {
                CountCompressed(entry, table, i, times);
            }
            else if (entry.Offset != 0)
            {
                if (!file.IsAligned(entry.Offset) || entry.Offset >= file.File.Length)
                {
                    Report($"entry {i} of the L2 table at {table} names a cluster at {entry.Offset}, where none can be");
                    continue;
                }

                Counts.Add(entry.Offset >> file.ClusterBits, times);
            }
        }
    }

    private void CountCompressed(Qcow2Entry entry, long table, int index, uint times)
    {
        if (entry.Offset < file.ClusterSize || entry.Offset >= file.File.Length)
        {
            Report($"entry {index} of the L2 table at {table} names compressed data at {entry.Offset}, where none can be");
            return;
        }

        long last = (entry.Offset + entry.CompressedLength - 1) >> file.ClusterBits;
        if (last >= file.FileClusters)
        {
            Report($"entry {index} of the L2 table at {table} names compressed data that reaches behind the end of the file");
            return;
        }

        for (long cluster = entry.Offset >> file.ClusterBits; cluster <= last; cluster++)
        {
            Counts.Add(cluster, times);
        }
    }

    /// <summary>
    /// Persistent dirty bitmaps, which we neither use nor keep but must not take for leaks.
    /// <code>
    /// extension: 0 number (32)   8 directory_size (64)   16 directory_offset (64)
    /// directory: 0 table_offset (64)   8 table_size (32)   12 flags (32)   18 name_size (16)   20 extra_data_size (32)   then extra data,
    /// name, padding
    /// </code>
    /// </summary>
    private void CountBitmaps(Qcow2Header header)
    {
        byte[] extension = header.Extensions.FirstOrDefault(candidate => candidate.Type == Qcow2Header.BitmapsExtension).Data ?? [];
        long size = extension.Length >= 24 ? (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(extension.AsSpan(8)), long.MaxValue) : 0;
        long start = extension.Length >= 24 ? (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(extension.AsSpan(16)), long.MaxValue) : 0;
        if (size is <= 0 or > LargestSnapshotTable || !file.IsInside(start, size))
        {
            Report("the directory of bitmaps lies where none can be");
            return;
        }

        AddRange(start, size);
        byte[] directory = new byte[size];
        file.File.Read(start, directory);
        int place = 0;
        while (place + 24 <= directory.Length)
        {
            ReadOnlySpan<byte> entry = directory.AsSpan(place);
            long table = (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(entry), long.MaxValue);
            uint entries = BinaryPrimitives.ReadUInt32BigEndian(entry[8..]);
            uint extra = BinaryPrimitives.ReadUInt32BigEndian(entry[20..]);
            if (entries > LargestRefcountTable / EntrySize || extra > (uint)directory.Length || !file.IsInside(table, entries * EntrySize))
            {
                Report("a bitmap's table lies where none can be");
                return;
            }

            AddRange(table, entries * EntrySize);
            foreach (ulong cluster in file.ReadEntries(table, (int)entries))
            {
                long offset = (long)(cluster & OffsetMask);
                if (offset >= file.File.Length)
                {
                    Report("a bitmap's cluster lies where none can be");
                }
                else if (offset != 0)
                {
                    Counts.Add(offset >> file.ClusterBits, 1);
                }
            }

            place += (24 + (int)extra + BinaryPrimitives.ReadUInt16BigEndian(entry[18..]) + 7) & ~7;
        }
    }
}
