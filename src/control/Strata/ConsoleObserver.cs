namespace Strata;

/// <summary>
/// What a guest's console prints, for one who looks on beside others: at first the last of what it printed before, then all that comes.
/// An observer that falls behind loses the oldest bytes; the guest waits for nobody. One reader at a time; otherwise safe on any thread.
/// </summary>
public sealed class ConsoleObserver : IDisposable
{
    /// <summary>Bytes that wait for the reader at most.</summary>
    public const int Capacity = 256 << 10;

    private readonly GuestConsole _console;
    private readonly Lock _gate = new(); // taken under the console's, and a leaf
    private readonly byte[] _ring = new byte[Capacity];
    private int _start;
    private int _count;
    private long _lost;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal ConsoleObserver(GuestConsole console) => _console = console;

    /// <summary>Reads what there is, waiting for the first byte.</summary>
    /// <returns>Bytes read, and bytes that were lost before them.</returns>
    public async ValueTask<(int Count, long Lost)> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_count > 0 || buffer.IsEmpty)
                {
                    return (Take(buffer.Span), TakeLost());
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Looks no longer.</summary>
    public void Dispose() => _console.Forget(this);

    /// <summary>The console's thread, which must not wait.</summary>
    internal void Append(ReadOnlySpan<byte> bytes)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            if (bytes.Length > Capacity)
            {
                _lost += bytes.Length - Capacity;
                bytes = bytes[^Capacity..];
            }

            int excess = Math.Max(0, _count + bytes.Length - Capacity);
            _lost += excess;
            _start = (_start + excess) % Capacity;
            _count -= excess;
            int at = (_start + _count) % Capacity;
            int first = Math.Min(bytes.Length, Capacity - at);
            bytes[..first].CopyTo(_ring.AsSpan(at));
            bytes[first..].CopyTo(_ring);
            _count += bytes.Length;
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
    }

    /// <summary>Under the gate.</summary>
    private long TakeLost()
    {
        long lost = _lost;
        _lost = 0;
        return lost;
    }

    /// <summary>Under the gate.</summary>
    private int Take(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _count);
        int first = Math.Min(count, Capacity - _start);
        _ring.AsSpan(_start, first).CopyTo(buffer);
        _ring.AsSpan(0, count - first).CopyTo(buffer[first..]);
        _start = (_start + count) % Capacity;
        _count -= count;
        return count;
    }
}
