using System.Collections.Concurrent;
using Strata.Core.Storage;

namespace Strata.Virtio.Tests.Harness;

/// <summary>A disk in an array that can be told to fail.</summary>
internal sealed class MemoryDisk(int sectors, bool readOnly = false) : IBlockBackend
{
    private int _flushes;

    public byte[] Bytes { get; } = new byte[sectors * 512];

    /// <summary>Ranges that were discarded, in bytes.</summary>
    public ConcurrentQueue<(long Offset, long Length)> Discards { get; } = [];

    /// <summary>Ranges that were made zeros without being written.</summary>
    public ConcurrentQueue<(long Offset, long Length)> Zeros { get; } = [];

    public bool Fails { get; set; }

    public bool FlushFails { get; set; }

    /// <summary>Called before a read with its offset in bytes, on the device's worker.</summary>
    public Action<long>? BeforeRead { get; set; }

    public bool IsDisposed { get; private set; }

    public int Flushes => Volatile.Read(ref _flushes);

    public long Sectors => sectors;

    public bool IsReadOnly => readOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        Check(offset, buffer.Length);
        BeforeRead?.Invoke(offset);
        Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        Check(offset, buffer.Length);
        buffer.CopyTo(Bytes.AsSpan((int)offset, buffer.Length));
    }

    public void Flush()
    {
        Check(0, 0);
        if (FlushFails)
        {
            throw new IOException("The flush fails on purpose.");
        }

        Interlocked.Increment(ref _flushes);
    }

    public void Discard(long offset, long length)
    {
        Check(offset, checked((int)length));
        Discards.Enqueue((offset, length));
    }

    public void WriteZeros(long offset, long length)
    {
        Check(offset, checked((int)length));
        Bytes.AsSpan((int)offset, (int)length).Clear();
        Zeros.Enqueue((offset, length));
    }

    public void Dispose() => IsDisposed = true;

    private void Check(long offset, int length)
    {
        if (Fails)
        {
            throw new IOException("The disk fails on purpose.");
        }

        if (offset % 512 != 0 || length % 512 != 0)
        {
            throw new InvalidOperationException("The device broke the backend's contract.");
        }
    }
}
