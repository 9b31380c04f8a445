using System.Buffers.Binary;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>The file of an image, its header and the arithmetic of its clusters. Guarded by the image's lock.</summary>
internal sealed class Qcow2File : IDisposable
{
    private Qcow2File(ImageFile file, Qcow2Header header)
    {
        File = file;
        Header = header;
    }

    public ImageFile File { get; }

    public Qcow2Header Header { get; private set; }

    public string Path => File.Path;

    public int ClusterBits => Header.ClusterBits;

    public int ClusterSize => Header.ClusterSize;

    public int EntriesPerTable => ClusterSize / EntrySize;

    /// <summary>Clusters that the file has, the last one perhaps in part.</summary>
    public long FileClusters => ToClusters(File.Length);

    /// <summary>Set once metadata was found to be wrong: nothing is written any more.</summary>
    public bool IsFailed { get; private set; }

    /// <summary>Reads and validates a header; the tables that it names lie inside the file.</summary>
    public static Qcow2File Open(ImageFile file)
    {
        byte[] start = new byte[Math.Min(file.Length, LargestHeader)];
        file.Read(0, start);
        Qcow2File result = new(file, Qcow2Header.Parse(start, file.Path));
        result.CheckTables();
        return result;
    }

    /// <summary>For a new file, whose header is not written yet.</summary>
    public static Qcow2File Create(ImageFile file, Qcow2Header header) => new(file, header);

    /// <summary>Bytes to clusters, rounded up.</summary>
    public long ToClusters(long bytes) => (bytes >> ClusterBits) + ((bytes & (ClusterSize - 1)) != 0 ? 1 : 0);

    /// <summary>The clusters of the file that a range touches; none for an empty range, wherever an image says that it is.</summary>
    public IEnumerable<long> ClustersOf(long offset, long length)
    {
        if (length > 0)
        {
            long last = (offset + length - 1) >> ClusterBits;
            for (long cluster = offset >> ClusterBits; cluster <= last; cluster++)
            {
                yield return cluster;
            }
        }
    }

    public bool IsAligned(long offset) => (offset & (ClusterSize - 1)) == 0;

    /// <summary>L1 entries that a disk of this size needs.</summary>
    public long L1EntriesFor(long size)
    {
        long clusters = ToClusters(size);
        return (clusters / EntriesPerTable) + (clusters % EntriesPerTable != 0 ? 1 : 0);
    }

    /// <summary>Replaces the header by one write. The first sector, with every number of it, changes as a whole.</summary>
    public void WriteHeader(Qcow2Header header)
    {
        File.Write(0, header.Serialize(Path));
        Header = header;
    }

    /// <summary>Records that metadata is wrong, in the image too where it can be written.</summary>
    /// <returns>What to throw.</returns>
    public DiskImageException Corrupt(string what)
    {
        if (!File.IsReadOnly && !IsFailed)
        {
            IsFailed = true;
            if (Header.Version >= 3 && !Header.IsCorrupt)
            {
                WriteHeader(Header with { Incompatible = Header.Incompatible | IncompatibleCorrupt });
            }
        }

        return new DiskImageException($"{Path} is damaged: {what}. Run strata disk check --repair on it, or restore it from a copy.");
    }

    public void Dispose() => File.Dispose();

    private void CheckTables()
    {
        Qcow2Header header = Header;
        if (header.Size % SectorSize != 0)
        {
            throw Refused($"its size of {header.Size:N0} bytes is no whole number of sectors");
        }

        if (header.L1Size > LargestL1 / EntrySize || header.L1Size < L1EntriesFor(header.Size))
        {
            throw Refused($"an L1 table of {header.L1Size:N0} entries does not suit a disk of {header.Size:N0} bytes");
        }

        if (header.RefcountTableClusters == 0
            || (long)header.RefcountTableClusters << ClusterBits > Math.Max(LargestRefcountTable, ClusterSize))
        {
            throw Refused($"a refcount table of {header.RefcountTableClusters:N0} clusters is impossible");
        }

        if (header.SnapshotCount > MostSnapshots)
        {
            throw Refused($"{header.SnapshotCount:N0} snapshots are more than the format's limit");
        }

        RequireInside(header.L1Offset, (long)header.L1Size * EntrySize, "the L1 table");
        RequireInside(header.RefcountTableOffset, EntrySize, "the refcount table");
        if (header.SnapshotCount != 0)
        {
            RequireInside(header.SnapshotsOffset, header.SnapshotCount, "the snapshot table");
        }
    }

    /// <summary>Reads a table of 64-bit entries.</summary>
    public ulong[] ReadEntries(long offset, int count)
    {
        byte[] bytes = new byte[(long)count * EntrySize];
        File.Read(offset, bytes);
        ulong[] entries = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            entries[i] = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(i * EntrySize));
        }

        return entries;
    }

    /// <summary>Whether a table of an image from elsewhere lies where a table can: aligned, behind the header, in the file.</summary>
    public bool IsInside(long offset, long length) =>
        length == 0 || (offset >= ClusterSize && IsAligned(offset) && length <= File.Length && offset <= File.Length - length);

    private void RequireInside(long offset, long length, string what)
    {
        if (!IsInside(offset, length))
        {
            throw Refused($"{what} lies outside the file");
        }
    }

    private DiskImageException Refused(string what) => new($"{Path} is a damaged qcow2 image: {what}. Restore it from a copy.");
}
