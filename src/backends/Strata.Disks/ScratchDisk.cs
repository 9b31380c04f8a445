using System.Numerics;
using Microsoft.Win32.SafeHandles;
using Strata.Core.Storage;

namespace Strata.Disks;

/// <summary>
/// A writable view of another disk, which stays as it is: what is written goes to a sparse temporary file without a name and is
/// gone when the view is disposed, or the process dies. Members are safe on any thread.
/// </summary>
public sealed class ScratchDisk : IBlockBackend
{
    /// <summary>Unit of copying, bytes: the block size of the file systems on such disks, so that writes seldom copy anything.</summary>
    public const int ClusterSize = 4096;

    private const int SectorSize = 512;
    private const int ClustersPerWord = 64;

    private readonly IBlockBackend _base;
    private readonly SafeFileHandle _changes;

    /// <summary>A bit for each cluster that is in <see cref="_changes"/>; set under <see cref="_gate"/> after its data is there.</summary>
    private readonly ulong[] _changed;
    private readonly Lock _gate = new();

    private ScratchDisk(IBlockBackend baseDisk, SafeFileHandle changes)
    {
        _base = baseDisk;
        _changes = changes;
        long clusters = ((baseDisk.Sectors * SectorSize) + ClusterSize - 1) / ClusterSize;
        _changed = new ulong[(clusters + ClustersPerWord - 1) / ClustersPerWord];
    }

    public long Sectors => _base.Sectors;

    public bool IsReadOnly => false;

    /// <summary>Bytes written to so far, in whole clusters.</summary>
    public long ChangedBytes
    {
        get
        {
            lock (_gate)
            {
                return _changed.Sum(word => (long)BitOperations.PopCount(word)) * ClusterSize;
            }
        }
    }

    /// <param name="baseDisk">Only read; disposed with the view.</param>
    /// <param name="folder">Where changes are kept meanwhile, or null for the folder of temporary files.</param>
    /// <exception cref="IOException">The temporary file cannot be made. The base disk is disposed.</exception>
    public static ScratchDisk Over(IBlockBackend baseDisk, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(baseDisk);
        string path = Path.Combine(folder ?? Path.GetTempPath(), $"strata-scratch-{Guid.NewGuid():N}");
        try
        {
            SafeFileHandle changes = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.RandomAccess);
            File.Delete(path); // open files need no name: nothing is left behind however the process ends
            return new ScratchDisk(baseDisk, changes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            baseDisk.Dispose();
            throw new IOException($"The temporary file for a disk's changes cannot be made: {error.Message} Set TMPDIR to a folder with room.", error);
        }
    }

    public void Read(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            bool changed = IsChanged(offset / ClusterSize);
            int length = RunLength(offset, buffer.Length, changed);
            if (changed)
            {
                ReadChanges(offset, buffer[..length]);
            }
            else
            {
                _base.Read(offset, buffer[..length]);
            }

            buffer = buffer[length..];
            offset += length;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return;
        }

        lock (_gate)
        {
            long end = offset + buffer.Length;
            CopyAround(offset, offset, end);
            CopyAround(end - 1, offset, end);
            RandomAccess.Write(_changes, buffer, offset);
            for (long cluster = offset / ClusterSize; cluster <= (end - 1) / ClusterSize; cluster++)
            {
                Volatile.Write(ref _changed[cluster / ClustersPerWord], _changed[cluster / ClustersPerWord] | (1UL << (int)(cluster % ClustersPerWord)));
            }
        }
    }

    public void Flush()
    {
        // Nothing here outlives the machine.
    }

    public void Discard(long offset, long length)
    {
        // A hint: everything reads as before.
    }

    public void Dispose()
    {
        _changes.Dispose();
        _base.Dispose();
    }

    private bool IsChanged(long cluster) => (Volatile.Read(ref _changed[cluster / ClustersPerWord]) & (1UL << (int)(cluster % ClustersPerWord))) != 0;

    /// <summary>How many of the bytes from an offset on are in the same place as the first.</summary>
    private int RunLength(long offset, int limit, bool changed)
    {
        long end = ((offset / ClusterSize) + 1) * ClusterSize;
        while (end < offset + limit && IsChanged(end / ClusterSize) == changed)
        {
            end += ClusterSize;
        }

        return (int)Math.Min(limit, end - offset);
    }

    /// <summary>Copies the cluster of a byte, if it is unchanged and a write of start … end leaves some of it.</summary>
    private void CopyAround(long position, long start, long end)
    {
        long cluster = position / ClusterSize;
        long first = cluster * ClusterSize;
        long last = Math.Min(first + ClusterSize, Sectors * SectorSize);
        if (IsChanged(cluster) || (start <= first && end >= last))
        {
            return;
        }

        Span<byte> content = stackalloc byte[ClusterSize];
        content = content[..(int)(last - first)];
        _base.Read(first, content);
        RandomAccess.Write(_changes, content, first);
    }

    /// <summary>The file may be shorter than the disk only beyond what is changed.</summary>
    private void ReadChanges(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = RandomAccess.Read(_changes, buffer, offset);
            if (count == 0)
            {
                throw new IOException("The temporary file of a disk's changes became shorter while it was in use.");
            }

            buffer = buffer[count..];
            offset += count;
        }
    }
}
