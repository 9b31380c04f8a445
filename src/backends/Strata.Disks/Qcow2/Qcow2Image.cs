using System.Buffers.Binary;
using Strata.Disks.Images;
using static Strata.Disks.Qcow2.Qcow2Format;

namespace Strata.Disks.Qcow2;

/// <summary>
/// A qcow2 image, version 2 or 3. QEMU, "qcow2 image file format" (docs/interop/qcow2.txt).
/// <para>
/// A crash at any moment leaves an image whose references are all counted, because writes reach the file in this order: data and
/// reference counts that rise; flush; L2 tables; flush; L1 entries; flush; reference counts that fall. What a crash leaks is found by
/// the dirty bit (version 3) when the image is opened for writing again, and given back.
/// </para>
/// </summary>
public sealed partial class Qcow2Image : DiskImage
{
    private const int MostPending = 16_384;

    private readonly Lock _lock = new(); // guards everything below, and the order of writes
    private readonly Qcow2File _file;
    private readonly Qcow2Metadata _metadata;
    private readonly Qcow2Refcounts _refcounts;
    private readonly Qcow2Mapping _mapping;
    private readonly List<long> _pending = []; // clusters that lost a reference which the file still has
    private DiskImage? _backing;
    private IReadOnlyList<Qcow2Snapshot> _snapshots;
    private int _snapshotTableLength; // bytes
    private byte[]? _unpacked; // the compressed cluster that was read last
    private long _unpackedOffset = -1;
    private bool _isModified;
    private bool _isDisposed;

    private Qcow2Image(Qcow2File file)
    {
        _file = file;
        _metadata = new Qcow2Metadata(file);
        _refcounts = new Qcow2Refcounts(file, _metadata);
        _mapping = new Qcow2Mapping(file, _metadata, _refcounts, WriteBack, _pending.Add);
        (_snapshots, _snapshotTableLength) = Qcow2Snapshot.ReadTable(file);
        _metadata.Rebuild(_snapshots, _snapshotTableLength, _refcounts.Table, _mapping.L1);
    }

    public override string Format => "qcow2";

    public override long Sectors => _file.Header.Size / SectorSize;

    public override bool IsReadOnly => _file.File.IsReadOnly;

    public override DiskImage? Backing => _backing;

    /// <summary>Bytes of a cluster, the unit of allocation.</summary>
    public int ClusterSize => _file.ClusterSize;

    /// <summary>Nobody will read the file after this process: it need not be flushed.</summary>
    internal void MarkTemporary() => _file.File.IsTemporary = true;

    /// <summary>Path of the file.</summary>
    public string Path => _file.Path;

    /// <summary>Whether a file's content is of this format, of any version.</summary>
    public static bool Matches(DiskProbe probe) =>
        probe.Start.Length >= Qcow2Header.Version2Length && BinaryPrimitives.ReadUInt32BigEndian(probe.Start.Span) == Magic
        && BinaryPrimitives.ReadUInt32BigEndian(probe.Start.Span[4..]) is 2 or 3;

    /// <summary>
    /// Opens an image and, where <paramref name="options"/> allow it, its backing images. A dirty image is repaired unless it is opened
    /// read-only.
    /// </summary>
    /// <exception cref="DiskImageException">It cannot be opened. The message is for the user.</exception>
    public static Qcow2Image Open(string path, DiskOpenOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Open(ImageFile.Open(path, options.ReadOnly), options);
    }

    /// <param name="file">Disposed with the image, also if this fails.</param>
    /// <inheritdoc cref="Open(string, DiskOpenOptions)"/>
    internal static Qcow2Image Open(ImageFile file, DiskOpenOptions options)
    {
        Qcow2Image? image = null;
        try
        {
            image = new Qcow2Image(Qcow2File.Open(file));
            image.RefuseUnsafeWriting(options);
            image._backing = BackingOpener.Open(file.Path, image._file.Header.BackingFile, image._file.Header.BackingFormat, options);
            if (!options.ReadOnly && !options.ForRepair && image._file.Header.IsDirty)
            {
                image.RepairAfterCrash(options.Log);
            }

            return image;
        }
        catch
        {
            image?._backing?.Dispose();
            file.Dispose();
            throw;
        }
    }

    public override void Flush()
    {
        lock (_lock)
        {
            if (!IsReadOnly && !_file.IsFailed)
            {
                WriteBack();
            }
        }
    }

    public override DiskImageInfo Describe()
    {
        lock (_lock)
        {
            Qcow2Header header = _file.Header;
            return new DiskImageInfo
            {
                Format = Format,
                Subformat = $"version {header.Version}",
                VirtualSize = header.Size,
                ClusterSize = header.ClusterSize,
                BackingFile = header.BackingFile,
                BackingFormat = header.BackingFormat,
                IsDirty = header.IsDirty,
                Snapshots = [.. _snapshots.Select(snapshot => snapshot.Describe(header.Size))],
            };
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            try
            {
                Close();
            }
            finally
            {
                _file.Dispose();
                _backing?.Dispose();
            }
        }
    }

    /// <summary>Everything to stable storage, counts last, and then the mark that all is well.</summary>
    private void Close()
    {
        if (IsReadOnly || _file.IsFailed || _file.File.IsTemporary || !_isModified)
        {
            return;
        }

        WriteBack();
        _refcounts.Write();
        _file.File.Flush();
        if (_file.Header.IsDirty)
        {
            _file.WriteHeader(_file.Header with { Incompatible = _file.Header.Incompatible & ~IncompatibleDirty });
            _file.File.Flush();
        }
    }

    /// <summary>Writes what changed in an order that a crash at any moment survives, and then gives up what lost its references.</summary>
    private void WriteBack()
    {
        if (!_file.Header.HasLazyRefcounts)
        {
            _refcounts.Write();
        }

        if (_mapping.IsDirty)
        {
            _file.File.Flush();
            _mapping.WriteTables();
            if (_mapping.HasDirtyRoots)
            {
                _file.File.Flush();
                _mapping.WriteRoots();
            }
        }

        _file.File.Flush();
        long[] released = [.. _pending];
        _pending.Clear(); // first: a failure below leaks clusters, but gives none up twice
        foreach (long cluster in released)
        {
            if (_refcounts.Release(cluster))
            {
                _mapping.Drop(cluster);
                Forget(cluster);
            }
        }
    }

    /// <summary>Gives the space of a free cluster back to the host; a hint that may fail.</summary>
    private void Forget(long cluster)
    {
        long offset = cluster << _file.ClusterBits;
        if (offset < _unpackedOffset + (2L * _file.ClusterSize) && _unpackedOffset < offset + _file.ClusterSize)
        {
            _unpackedOffset = -1;
        }

        if (cluster == _packedEnd >> _file.ClusterBits)
        {
            _packedEnd = 0; // the room behind the last compressed data is somebody else's now
        }

        if (offset < _file.File.Length)
        {
            _file.File.Discard(offset, _file.ClusterSize);
        }
    }

    /// <summary>Before anything in the file changes: features that we do not maintain end here.</summary>
    private void BeginChange()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (IsReadOnly)
        {
            throw new DiskImageException($"The disk {Path} is open for reading only.");
        }

        if (_file.IsFailed)
        {
            throw new DiskImageException($"The disk {Path} is damaged and is not written any more; run strata disk check --repair on it.");
        }

        _isModified = true;
        if (_file.Header.Autoclear != 0)
        {
            _file.WriteHeader(_file.Header.WithoutAutoclear());
            _file.File.Flush();
        }
    }

    /// <summary>
    /// Before reference counts change: an image that is not closed properly from now on is looked through when it is opened.
    /// </summary>
    private void BeginAllocation()
    {
        if (_file.Header.Version >= 3 && !_file.Header.IsDirty)
        {
            _file.WriteHeader(_file.Header with { Incompatible = _file.Header.Incompatible | IncompatibleDirty });
            _file.File.Flush();
        }

        if (_pending.Count > MostPending)
        {
            WriteBack();
        }
    }

    private void RefuseUnsafeWriting(DiskOpenOptions options)
    {
        if (options.ReadOnly || options.ForRepair)
        {
            return;
        }

        string? reason = _file.Header.IsCorrupt ? "it is marked as corrupt" : _metadata.Conflict;
        if (reason is not null)
        {
            throw new DiskImageException(
                $"{Path} cannot be written: {reason}. Open it read-only and copy what is left, or run strata disk check --repair on it.");
        }
    }

    private void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > _file.Header.Size - length)
        {
            throw new DiskImageException(
                $"{length:N0} bytes at {offset:N0} lie outside the disk {Path}, which has {_file.Header.Size:N0}.");
        }
    }
}
