using System.Buffers;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

// Writing, allocation and giving up of clusters.
public sealed partial class Qcow2Image
{
    private const int LargestRun = 8 << 20; // bytes allocated at once

    private long _packedEnd; // behind the compressed data that was written last

    public override void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        lock (_lock)
        {
            BeginChange();
            CheckRange(offset, buffer.Length);
            while (!buffer.IsEmpty)
            {
                int length = WriteRun(offset, buffer);
                offset += length;
                buffer = buffer[length..];
            }
        }
    }

    /// <summary>
    /// Whole clusters are given up; parts of clusters keep their bytes. Over a backing image the range then reads as zeros.
    /// </summary>
    public override void Discard(long offset, long length)
    {
        lock (_lock)
        {
            BeginChange();
            CheckRange(offset, length);
            long start = _file.ToClusters(offset) << _file.ClusterBits;
            long end = offset + length == _file.Header.Size
                ? _file.ToClusters(_file.Header.Size) << _file.ClusterBits
                : (offset + length) & -_file.ClusterSize;
            if (_file.Header.Version >= 3 || _file.Header.BackingFile is null)
            {
                ForEachCluster(start, end, skipHoles: _file.Header.BackingFile is null, (place, entry) => GiveUp(place, entry));
            }
        }
    }

    public override void WriteZeros(long offset, long length)
    {
        lock (_lock)
        {
            BeginChange();
            CheckRange(offset, length);
            bool hasBacking = _file.Header.BackingFile is not null;
            long end = offset + length;
            long first = _file.ToClusters(offset) << _file.ClusterBits;
            long last = end == _file.Header.Size ? _file.ToClusters(end) << _file.ClusterBits : end & -_file.ClusterSize;
            if (first >= last || (_file.Header.Version == 2 && hasBacking))
            {
                WriteZeroBytes(offset, length); // no whole cluster, or no way to mark one
                return;
            }

            WriteZeroBytes(offset, first - offset);
            ForEachCluster(first, last, skipHoles: !hasBacking, (place, entry) => GiveUp(place, entry));
            WriteZeroBytes(last, end - last);
        }
    }

    /// <summary>One compressed cluster in place of what was there.</summary>
    /// <param name="offset">Bytes; start of a cluster.</param>
    /// <param name="buffer">A cluster, or what the disk has behind the offset.</param>
    /// <returns>False if the data does not become smaller; then nothing was written.</returns>
    public bool WriteCompressed(long offset, ReadOnlySpan<byte> buffer)
    {
        lock (_lock)
        {
            CheckRange(offset, buffer.Length);
            if (!_file.IsAligned(offset) || (buffer.Length != ClusterSize && offset + buffer.Length != _file.Header.Size))
            {
                throw new DiskImageException("Only whole clusters can be compressed.");
            }

            byte[] cluster = new byte[ClusterSize];
            buffer.CopyTo(cluster);
            byte[]? packed = Qcow2Compression.Pack(cluster);
            if (packed is null)
            {
                return false;
            }

            BeginChange();
            BeginAllocation();
            _mapping.EnsureTable(offset);
            Qcow2Entry old = _mapping[offset];
            long place = AllocateBytes(packed.Length);
            _file.File.Write(place, packed);
            _mapping.Set(offset, Qcow2Entry.CompressedRaw(place, packed.Length, _file.ClusterBits));
            Release(old);
            return true;
        }
    }

    /// <summary>Room for compressed data, which may share clusters with other compressed data.</summary>
    /// <returns>Offset in the file.</returns>
    private long AllocateBytes(int length)
    {
        long current = _packedEnd >> _file.ClusterBits;
        int left = (int)(-_packedEnd & (_file.ClusterSize - 1));
        bool canShare = left > 0 && _refcounts[current] is > 0 and var count && count < _refcounts.Largest;
        long place = _packedEnd;
        if (!canShare || left < length)
        {
            (long first, _) = _refcounts.Allocate(1);
            canShare &= first == current + 1;
            place = canShare ? place : first << _file.ClusterBits;
        }

        if (canShare)
        {
            _refcounts.Add(current);
        }

        _packedEnd = place + length;
        return place;
    }

    /// <returns>Bytes written, at least 1.</returns>
    private int WriteRun(long offset, ReadOnlySpan<byte> buffer)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        Qcow2Entry entry = _mapping[offset];
        if (entry.IsInPlace && (_mapping.L1[(int)(offset / _mapping.TableSpan)] & Copied) != 0)
        {
            int length = RunInPlace(entry, offset, buffer.Length);
            CheckTarget(entry.Offset, inCluster + length);
            _file.File.Write(entry.Offset + inCluster, buffer[..length]);
            return length;
        }

        BeginAllocation();
        _mapping.EnsureTable(offset);
        entry = _mapping[offset];
        if (entry.Kind == Qcow2ClusterKind.Zero && entry.Offset != 0 && entry.IsCopied)
        {
            int length = Math.Min(buffer.Length, _file.ClusterSize - inCluster);
            CheckTarget(entry.Offset, 1);
            WriteClusters(offset, buffer[..length], entry.Offset, isFresh: false);
            _mapping.Set(offset, (ulong)entry.Offset | Copied);
            return length;
        }

        return WriteNew(offset, buffer);
    }

    /// <summary>Writes to new clusters and maps them.</summary>
    private int WriteNew(long offset, ReadOnlySpan<byte> buffer)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        (long first, int count) = _refcounts.Allocate(CountNew(offset, buffer.Length));
        long host = first << _file.ClusterBits;
        int length = (int)Math.Min(buffer.Length, ((long)count << _file.ClusterBits) - inCluster);
        try
        {
            for (int i = 0; i < count; i++)
            {
                if (_metadata.Contains(first + i))
                {
                    throw _file.Corrupt($"cluster {first + i} holds metadata but is counted as free");
                }
            }

            WriteClusters(offset, buffer[..length], host, isFresh: host >= _file.ToClusters(_file.File.Length) << _file.ClusterBits);
        }
        catch (DiskImageException) when (!_file.IsFailed)
        {
            for (int i = 0; i < count; i++)
            {
                _refcounts.Release(first + i);
            }

            throw;
        }

        long start = offset - inCluster;
        for (int i = 0; i < count; i++)
        {
            long place = start + ((long)i << _file.ClusterBits);
            Qcow2Entry old = _mapping[place];
            _mapping.Set(place, (ulong)((first + i) << _file.ClusterBits) | Copied);
            Release(old);
        }

        return length;
    }

    /// <summary>Clusters from here on, in one L2 table, that need a new place.</summary>
    private int CountNew(long offset, int length)
    {
        long start = offset & -_file.ClusterSize;
        long limit = Math.Min(
            offset + Math.Min(length, LargestRun), (offset / _mapping.TableSpan * _mapping.TableSpan) + _mapping.TableSpan);
        int count = 1;
        while (start + ((long)count << _file.ClusterBits) < limit)
        {
            Qcow2Entry next = _mapping[start + ((long)count << _file.ClusterBits)];
            if (next.IsInPlace || (next.Kind == Qcow2ClusterKind.Zero && next.Offset != 0))
            {
                break;
            }

            count++;
        }

        return count;
    }

    /// <summary>Writes data and, where it does not fill its first and last cluster, what these held before.</summary>
    /// <param name="host">Where the first cluster lies in the file.</param>
    /// <param name="isFresh">The clusters lie behind the end of the file: they need no zeros.</param>
    private void WriteClusters(long offset, ReadOnlySpan<byte> data, long host, bool isFresh)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        long end = offset + data.Length;
        int behind = (int)(-end & (_file.ClusterSize - 1));
        byte[] old = ArrayPool<byte>.Shared.Rent(_file.ClusterSize);
        try
        {
            CopyOld(offset - inCluster, old.AsSpan(0, inCluster), host, isFresh);
            CopyOld(end, old.AsSpan(0, behind), host + inCluster + data.Length, isFresh);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(old);
        }

        _file.File.Write(host + inCluster, data);
    }

    private void CopyOld(long offset, Span<byte> buffer, long host, bool isFresh)
    {
        if (buffer.IsEmpty)
        {
            return;
        }

        int inside = (int)Math.Clamp(_file.Header.Size - offset, 0, buffer.Length);
        buffer[inside..].Clear();
        if (inside > 0)
        {
            ReadRun(_mapping[offset], offset, buffer[..inside]);
        }

        if (!isFresh || buffer.ContainsAnyExcept((byte)0))
        {
            _file.File.Write(host, buffer);
        }
    }

    /// <summary>Bytes from here on whose clusters may be overwritten and follow each other.</summary>
    private int RunInPlace(Qcow2Entry first, long offset, int wanted)
    {
        int inCluster = (int)(offset & (_file.ClusterSize - 1));
        long length = _file.ClusterSize - inCluster;
        long limit = Math.Min(wanted, (offset / _mapping.TableSpan * _mapping.TableSpan) + _mapping.TableSpan - offset);
        while (length < limit)
        {
            Qcow2Entry next = _mapping[offset + length];
            if (!next.IsInPlace || next.Offset != first.Offset + inCluster + length)
            {
                break;
            }

            length += _file.ClusterSize;
        }

        return (int)Math.Min(length, limit);
    }

    /// <summary>Data of the guest is about to be written to these clusters: they must be in the file and nothing else's.</summary>
    private void CheckTarget(long host, long length)
    {
        if (!_file.IsAligned(host) || host >= _file.File.Length)
        {
            throw _file.Corrupt($"an L2 entry names a cluster at {host}, where none can be");
        }

        for (long cluster = host >> _file.ClusterBits; cluster <= (host + length - 1) >> _file.ClusterBits; cluster++)
        {
            if (_metadata.Contains(cluster))
            {
                throw _file.Corrupt($"an L2 entry names cluster {cluster}, which holds metadata");
            }
        }
    }

    /// <summary>The clusters of an entry that is not in its table any more lose a reference, once that is written.</summary>
    private void Release(Qcow2Entry old)
    {
        if (old.Offset == 0)
        {
            return;
        }

        long last = old.Kind == Qcow2ClusterKind.Compressed ? old.Offset + old.CompressedLength - 1 : old.Offset;
        for (long cluster = old.Offset >> _file.ClusterBits; cluster <= last >> _file.ClusterBits; cluster++)
        {
            _pending.Add(cluster);
        }
    }

    /// <summary>Makes a cluster of the disk read as zeros without space for it.</summary>
    private void GiveUp(long place, Qcow2Entry old)
    {
        ulong entry = _file.Header.BackingFile is null ? 0 : ReadsAsZeros;
        if (old.Raw == entry)
        {
            return;
        }

        BeginAllocation();
        _mapping.EnsureTable(place);
        _mapping.Set(place, entry);
        Release(old);
    }

    private void ForEachCluster(long start, long end, bool skipHoles, Action<long, Qcow2Entry> action)
    {
        long place = start;
        while (place < end)
        {
            if (skipHoles && _mapping.FindTable(place) == 0)
            {
                place = (place / _mapping.TableSpan * _mapping.TableSpan) + _mapping.TableSpan;
                continue;
            }

            action(place, _mapping[place]);
            place += _file.ClusterSize;
        }
    }

    /// <summary>Zeros for less than a cluster, or where the version cannot mark them.</summary>
    private void WriteZeroBytes(long offset, long length)
    {
        byte[] zeros = length > 0 ? new byte[Math.Min(length, LargestRun)] : [];
        while (length > 0)
        {
            Qcow2Entry entry = _mapping[offset];
            int inCluster = (int)(offset & (_file.ClusterSize - 1));
            int count = (int)Math.Min(Math.Min(length, zeros.Length), _file.ClusterSize - inCluster);
            bool isZero = entry.Kind == Qcow2ClusterKind.Zero
                || (entry.Kind == Qcow2ClusterKind.Unallocated && _file.Header.BackingFile is null);
            if (!isZero)
            {
                WriteRun(offset, zeros.AsSpan(0, count));
            }

            offset += count;
            length -= count;
        }
    }
}
