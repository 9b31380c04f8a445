using Strata.Core.Storage;

namespace Strata.Disks.Capturing;

/// <summary>
/// A disk's content at a moment, on its way into another disk: cluster by cluster in <see cref="SaveAll"/>, and before that whatever the
/// machine is about to overwrite. Each cluster is saved once. Safe on any thread.
/// </summary>
public sealed class DiskCapture : IDisposable
{
    private readonly CapturableDisk _disk;
    private readonly ClusterSet _writtenBefore;
    private readonly IBlockBackend _target;
    private readonly ClusterSet _pending;
    private readonly ClusterSet _saved;
    private readonly byte[] _buffer = new byte[ClusterSet.ClusterSize]; // under _gate

    /// <summary>Held while a cluster is saved. The disks' own locks are taken under it.</summary>
    private readonly Lock _gate = new();
    private Exception? _failure; // under _gate
    private bool _accepted;
    private bool _over;

    internal DiskCapture(CapturableDisk disk, ClusterSet? clusters, ClusterSet writtenBefore, IBlockBackend target)
    {
        _disk = disk;
        _writtenBefore = writtenBefore;
        _target = target;
        _pending = new ClusterSet(disk.Sectors * 512);
        _pending.UnionWith(writtenBefore);
        if (clusters is not null)
        {
            _pending.UnionWith(clusters);
        }

        _saved = new ClusterSet(disk.Sectors * 512);
    }

    /// <summary>Clusters that were written between the capture before and this one.</summary>
    public ClusterSet WrittenBefore => _writtenBefore;

    /// <summary>Bytes that were saved so far.</summary>
    public long Saved { get; private set; }

    /// <summary>Saves all that is left, behind a machine that runs, and ends the capture.</summary>
    /// <exception cref="IOException">A cluster could not be read or saved, now or when the machine overwrote it.</exception>
    public void SaveAll(CancellationToken cancellationToken = default)
    {
        foreach (long cluster in _pending.Members())
        {
            cancellationToken.ThrowIfCancellationRequested();
            Save(cluster);
            ThrowIfFailed();
        }

        ThrowIfFailed();
        _disk.End(this);
    }

    /// <summary>
    /// What was saved is kept for good: the next capture wants what was written since this one began. Without it the next one wants what
    /// this one wanted, too.
    /// </summary>
    public void Accept() => _accepted = true;

    /// <summary>
    /// Puts what was overwritten since the capture began back onto the disk, which then holds what it held, and ends the capture. While the
    /// machine's devices are quiet, and without <see cref="SaveAll"/>.
    /// </summary>
    /// <exception cref="IOException">A cluster was not saved, or cannot be written back: the disk holds neither.</exception>
    public void PutBack()
    {
        lock (_gate)
        {
            ThrowIfFailed();
            _disk.End(this);
            foreach (long cluster in _saved.Members())
            {
                Span<byte> bytes = _buffer.AsSpan(0, LengthOf(cluster));
                _target.Read(cluster * ClusterSet.ClusterSize, bytes);
                _disk.Write(cluster * ClusterSet.ClusterSize, bytes);
            }
        }
    }

    /// <summary>Ends the capture. Unless it was accepted, the clusters that it was begun with count as written again.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _over, true))
        {
            return;
        }

        _disk.End(this);
        if (!_accepted)
        {
            _disk.CountAsWritten(_writtenBefore);
        }
    }

    /// <summary>Saves what a range has of the capture. The machine's write goes on whatever happens here: the owner hears of it.</summary>
    internal void BeforeChange(long offset, long length)
    {
        if (length <= 0)
        {
            return;
        }

        for (long cluster = offset / ClusterSet.ClusterSize; cluster <= (offset + length - 1) / ClusterSet.ClusterSize; cluster++)
        {
            Save(cluster);
        }
    }

    private void Save(long cluster)
    {
        if (!_pending.Contains(cluster))
        {
            return;
        }

        lock (_gate)
        {
            if (!_pending.Contains(cluster) || _failure is not null)
            {
                return;
            }

            try
            {
                Span<byte> bytes = _buffer.AsSpan(0, LengthOf(cluster));
                _disk.Read(cluster * ClusterSet.ClusterSize, bytes);
                if (bytes.ContainsAnyExcept((byte)0))
                {
                    _target.Write(cluster * ClusterSet.ClusterSize, bytes);
                    Saved += bytes.Length;
                }
                else
                {
                    _target.WriteZeros(cluster * ClusterSet.ClusterSize, bytes.Length);
                }

                _saved.Add(cluster);
            }
            catch (IOException error)
            {
                _failure = error; // kept for the owner
            }

            _pending.Remove(cluster);
        }
    }

    private int LengthOf(long cluster) => (int)Math.Min(ClusterSet.ClusterSize, (_disk.Sectors * 512) - (cluster * ClusterSet.ClusterSize));

    private void ThrowIfFailed()
    {
        lock (_gate)
        {
            if (_failure is not null)
            {
                throw new IOException($"The disk's content could not be kept: {_failure.Message}", _failure);
            }
        }
    }
}
