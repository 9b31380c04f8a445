using Strata.Core.Storage;

namespace Strata.Disks.Throttling;

/// <summary>
/// A disk that does not go faster than a throttle allows: the calling thread, a device's worker, waits before each operation. Safe on any
/// thread if the disk is.
/// </summary>
public sealed class ThrottledDisk : IBlockBackend
{
    private readonly IBlockBackend _disk;
    private readonly TokenBucket? _bytes;
    private readonly TokenBucket? _operations;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();

    /// <param name="disk">Disposed with this.</param>
    /// <param name="time">The clock that rates are measured with; null for the host's.</param>
    public ThrottledDisk(IBlockBackend disk, DiskThrottle throttle, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(throttle);
        _disk = disk;
        _time = time ?? TimeProvider.System;
        _bytes = throttle.BytesPerSecond is { } bytes ? new TokenBucket(bytes, _time) : null;
        _operations = throttle.OperationsPerSecond is { } operations ? new TokenBucket(operations, _time) : null;
    }

    public long Sectors => _disk.Sectors;

    public bool IsReadOnly => _disk.IsReadOnly;

    public void Read(long offset, Span<byte> buffer)
    {
        Wait(buffer.Length);
        _disk.Read(offset, buffer);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer)
    {
        Wait(buffer.Length);
        _disk.Write(offset, buffer);
    }

    public void Flush()
    {
        Wait(0);
        _disk.Flush();
    }

    public void Discard(long offset, long length)
    {
        Wait(0);
        _disk.Discard(offset, length);
    }

    public void WriteZeros(long offset, long length)
    {
        Wait(0);
        _disk.WriteZeros(offset, length);
    }

    /// <summary>Whoever waits goes on at once.</summary>
    public void Dispose()
    {
        _closing.Cancel();
        _disk.Dispose();
        _closing.Dispose();
    }

    private void Wait(long bytes)
    {
        TimeSpan delay = _operations?.Take(1) ?? TimeSpan.Zero;
        TimeSpan other = bytes == 0 ? TimeSpan.Zero : _bytes?.Take(bytes) ?? TimeSpan.Zero;
        delay = delay > other ? delay : other;
        if (delay > TimeSpan.Zero)
        {
            Task.Delay(delay, _time, _closing.Token).ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
        }
    }
}
