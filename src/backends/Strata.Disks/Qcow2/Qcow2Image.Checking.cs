using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

// Consistency: what is counted against what is there, and changes of the metadata as a whole.
public sealed partial class Qcow2Image
{
    public override DiskCheckReport Check(bool repair)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (repair && IsReadOnly)
            {
                throw new DiskImageException($"{Path} is open for reading only and cannot be repaired.");
            }

            if (_isModified)
            {
                WriteBack();
                _refcounts.Write();
            }

            (Qcow2Scan scan, long leaks, bool isMiscounted) = Examine();
            DiskCheckReport report = new() { Errors = scan.Errors, LeakedBytes = leaks << _file.ClusterBits };
            return repair ? Repair(report, leaks, isMiscounted) : report;
        }
    }

    /// <summary>After a crash counts may be too high or, with lazy reference counts, wrong in any way. References are right.</summary>
    private void RepairAfterCrash(ILogger? log)
    {
        (Qcow2Scan scan, long leaks, bool isMiscounted) = Examine();
        DiskCheckReport report = Repair(
            new DiskCheckReport { Errors = scan.Errors, LeakedBytes = leaks << _file.ClusterBits }, leaks, isMiscounted);
        if (report.Errors.Count != 0)
        {
            throw _file.Corrupt($"it was not closed properly, and {report.Errors[0]}");
        }

        if (log is not null)
        {
            DiskLog.Repaired(log, Path, string.Join("; ", report.Repairs));
        }
    }

    /// <summary>Compares the counts in the file with the references that there are.</summary>
    private (Qcow2Scan Scan, long Leaks, bool IsMiscounted) Examine()
    {
        Qcow2Scan scan = new(_file);
        scan.CountContent(_file.Header, _mapping.L1, _snapshots, _snapshotTableLength);
        bool isMiscounted = !scan.CountRefcounts(_file.Header, _refcounts.Table);
        long leaks = 0;
        HashSet<long> compared = []; // indexes of blocks
        int perBlock = _refcounts.CountsPerBlock;
        for (int index = 0; !isMiscounted && index < _refcounts.Table.Length; index++)
        {
            long offset = (long)(_refcounts.Table[index] & RefcountBlockMask);
            if (offset == 0 || scan.IsHole(offset))
            {
                continue; // every count is zero
            }

            compared.Add(index);
            byte[] block = new byte[_file.ClusterSize];
            _file.File.Read(offset, block);
            for (int i = 0; i < perBlock; i++)
            {
                ulong stored = Qcow2Refcounts.ReadCount(block, i, _file.Header.RefcountOrder);
                uint counted = scan.Counts[((long)index * perBlock) + i];
                leaks += stored > counted ? 1 : 0;
                if (stored < counted)
                {
                    isMiscounted = true;
                    scan.Report($"cluster {((long)index * perBlock) + i} has {counted} references but counts {stored}");
                }
            }
        }

        foreach ((long cluster, uint count) in isMiscounted && compared.Count == 0 ? [] : scan.Counts.All)
        {
            if (!compared.Contains(cluster / perBlock))
            {
                isMiscounted = true;
                scan.Report($"cluster {cluster} has {count} references but is not counted");
            }
        }

        isMiscounted |= !HaveRightFlags(scan);
        if (_metadata.Conflict is { } conflict)
        {
            scan.Report(conflict);
        }

        return (scan, leaks, isMiscounted);
    }

    /// <summary>Whether COPIED in the active tables says exactly what has a single reference.</summary>
    private bool HaveRightFlags(Qcow2Scan scan)
    {
        bool isRight = true;
        foreach (ulong root in _mapping.L1)
        {
            long table = (long)(root & OffsetMask);
            if (table == 0 || !scan.IsTable(table))
            {
                continue;
            }

            if (((root & Copied) != 0) != (scan.Counts[table >> _file.ClusterBits] == 1))
            {
                scan.Report($"the L1 entry for the table at {table} does not say rightly whether it is shared");
                isRight = false;
            }

            ulong[] entries = scan.ReadTable(table);
            if (CorrectFlags(entries, scan.Counts))
            {
                scan.Report($"the L2 table at {table} does not say rightly which clusters are shared");
                isRight = false;
            }
        }

        return isRight;
    }

    /// <returns>Whether an entry changed.</returns>
    private bool CorrectFlags(Span<ulong> entries, Qcow2Counts counts)
    {
        bool changed = false;
        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i] == 0)
            {
                continue;
            }

            Qcow2Entry entry = new(entries[i], _file);
            bool isSingle = entry.Kind != Qcow2ClusterKind.Compressed
                && entry.Offset != 0
                && counts[entry.Offset >> _file.ClusterBits] == 1;
            ulong right = isSingle ? entries[i] | Copied : entries[i] & ~Copied;
            changed |= right != entries[i];
            entries[i] = right;
        }

        return changed;
    }

    private DiskCheckReport Repair(DiskCheckReport report, long leaks, bool isMiscounted)
    {
        List<string> repairs = [];
        if (isMiscounted || _metadata.Conflict is not null)
        {
            Replace(_file.Header, _snapshots, _mapping.L1.ToArray(), isRepair: true);
            repairs.Add("all reference counts and sharing flags were written anew");
        }
        else if (leaks != 0)
        {
            ReturnLeaks();
            repairs.Add($"{leaks:N0} leaked clusters were given back");
        }

        if (repairs.Count != 0)
        {
            (Qcow2Scan scan, long left, _) = Examine();
            report = new DiskCheckReport { Errors = scan.Errors, LeakedBytes = left << _file.ClusterBits, Repairs = repairs };
        }

        ulong marks = _file.Header.Incompatible & (IncompatibleDirty | IncompatibleCorrupt);
        if (report.IsClean && marks != 0)
        {
            _file.WriteHeader(_file.Header with { Incompatible = _file.Header.Incompatible & ~marks });
            _file.File.Flush();
            report = report with { Repairs = [.. report.Repairs, "the mark of an image that was not closed properly was removed"] };
        }

        return report;
    }

    /// <summary>Counts that are too high are lowered where they are: a crash leaves some of them, which is what was there before.</summary>
    private void ReturnLeaks()
    {
        Qcow2Scan scan = new(_file);
        scan.CountContent(_file.Header, _mapping.L1, _snapshots, _snapshotTableLength);
        scan.CountRefcounts(_file.Header, _refcounts.Table);
        int perBlock = _refcounts.CountsPerBlock;
        for (int index = 0; index < _refcounts.Table.Length; index++)
        {
            for (int i = 0; _refcounts.Table[index] != 0 && i < perBlock; i++)
            {
                long cluster = ((long)index * perBlock) + i;
                if (_refcounts[cluster] > scan.Counts[cluster] && _refcounts.Lower(cluster, scan.Counts[cluster]))
                {
                    Forget(cluster);
                }
            }
        }

        _refcounts.Write();
        _file.File.Flush();
    }

    /// <summary>
    /// Changes metadata as a whole: new tables are written to clusters that nobody uses, and one write of the header makes them valid. A
    /// crash before it leaves the old image, after it the new one, with no leak in either.
    /// </summary>
    /// <param name="header">Its L1 and refcount tables and its snapshots are replaced by what follows.</param>
    /// <param name="l1">The active L1 table; flags do not matter.</param>
    private void Replace(Qcow2Header header, IReadOnlyList<Qcow2Snapshot> snapshots, ulong[] l1, bool isRepair = false)
    {
        if (_isModified)
        {
            WriteBack();
            _refcounts.Write();
        }

        long free = Math.Max(_file.FileClusters, 1);
        long l1Offset = free << _file.ClusterBits;
        free += _file.ToClusters((long)l1.Length * EntrySize);
        byte[] table = Qcow2Snapshot.Serialize(snapshots);
        long snapshotsOffset = table.Length == 0 ? 0 : free << _file.ClusterBits;
        free += _file.ToClusters(table.Length);
        header = header with
        {
            L1Offset = l1Offset,
            L1Size = l1.Length,
            SnapshotCount = snapshots.Count,
            SnapshotsOffset = snapshotsOffset,
            Autoclear = 0,
        };
        if (_file.Header.Autoclear != 0)
        {
            header = header.WithoutAutoclear();
        }

        Qcow2Scan scan = new(_file);
        scan.CountContent(header, l1, snapshots, table.Length);
        if (scan.HasErrors && !isRepair)
        {
            throw new DiskImageException($"{Path} is damaged: {scan.Errors[0]}. Run strata disk check --repair on it first.");
        }

        free = WriteTables(l1, scan, free);
        _file.File.Write(l1Offset, Qcow2Refcounts.SerializeTable(l1));
        if (table.Length != 0)
        {
            _file.File.Write(snapshotsOffset, table);
        }

        (long refcountTable, int clusters) = scan.Counts.Write(_file, free);
        _file.File.Flush();
        _file.WriteHeader(header with { RefcountTableOffset = refcountTable, RefcountTableClusters = clusters });
        _file.File.Flush();
        Reload();
        if (!scan.HasErrors)
        {
            PunchFree(scan.Counts);
        }
    }

    /// <summary>Gives the space of every cluster without references back to the host; a hint that may fail.</summary>
    private void PunchFree(Qcow2Counts counts)
    {
        long next = 0;
        foreach (long cluster in counts.All.Select(counted => counted.Cluster).Append(_file.FileClusters))
        {
            if (cluster > next)
            {
                _file.File.Discard(next << _file.ClusterBits, (cluster - next) << _file.ClusterBits);
            }

            next = cluster + 1;
        }
    }

    /// <summary>New copies of the L2 tables whose flags are wrong for the counts of the scan, which is kept up to date.</summary>
    /// <returns>The first free cluster behind them.</returns>
    private long WriteTables(ulong[] l1, Qcow2Scan scan, long free)
    {
        byte[] bytes = new byte[_file.ClusterSize];
        for (int i = 0; i < l1.Length; i++)
        {
            long table = (long)(l1[i] & OffsetMask);
            if (table == 0 || !scan.IsTable(table))
            {
                continue;
            }

            ulong[] entries = scan.ReadTable(table);
            if (CorrectFlags(entries, scan.Counts) || _metadata.IsFixed(table >> _file.ClusterBits))
            {
                scan.Counts.Remove(table >> _file.ClusterBits);
                table = free++ << _file.ClusterBits;
                scan.Counts.Add(table >> _file.ClusterBits, 1);
                bytes.AsSpan().Clear();
                for (int j = 0; j < entries.Length; j++)
                {
                    BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(j * EntrySize), entries[j]);
                }

                _file.File.Write(table, bytes);
            }

            l1[i] = (ulong)table;
        }

        for (int i = 0; i < l1.Length; i++)
        {
            if (l1[i] != 0 && scan.Counts[(long)(l1[i] & OffsetMask) >> _file.ClusterBits] == 1)
            {
                l1[i] |= Copied;
            }
        }

        return free;
    }

    private void Reload()
    {
        (_snapshots, _snapshotTableLength) = Qcow2Snapshot.ReadTable(_file);
        _pending.Clear();
        _unpackedOffset = -1;
        _packedEnd = 0;
        _refcounts.Reload();
        _mapping.Reload();
        _metadata.Rebuild(_snapshots, _snapshotTableLength, _refcounts.Table, _mapping.L1);
    }
}
