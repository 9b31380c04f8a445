using System.Buffers.Binary;

namespace Strata.Display.Rfb;

/// <summary>Reads messages from a client. No message is kept whole, and none may be begun and not ended.</summary>
internal sealed class RfbReader(Stream stream, CancellationToken ending) : IDisposable
{
    private const int Capacity = 4096;

    private readonly byte[] _bytes = new byte[Capacity];
    private readonly CancellationTokenSource _slow = CancellationTokenSource.CreateLinkedTokenSource(ending);
    private int _from;
    private int _to;

    /// <summary>How long the rest of a message may take. For ever at first: logging in has a limit of its own, for all of it.</summary>
    public TimeSpan Patience { get; set; } = Timeout.InfiniteTimeSpan;

    /// <summary>Waits for the first byte of a message, for as long as it takes.</summary>
    /// <returns>-1 when the client has gone.</returns>
    public async ValueTask<int> ReadTypeAsync()
    {
        if (_from == _to && !await FillAsync(ending).ConfigureAwait(false))
        {
            return -1;
        }

        return _bytes[_from++];
    }

    /// <summary>The next bytes of a message, until the next call.</summary>
    /// <param name="count">Up to the reader's capacity of 4 KiB.</param>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(int count)
    {
        if (_to - _from < count)
        {
            await CollectAsync(count).ConfigureAwait(false);
        }

        _from += count;
        return _bytes.AsMemory(_from - count, count);
    }

    public async ValueTask<byte> ReadByteAsync() => (await ReadAsync(1).ConfigureAwait(false)).Span[0];

    public async ValueTask<int> ReadNumber32Async() =>
        BinaryPrimitives.ReadInt32BigEndian((await ReadAsync(4).ConfigureAwait(false)).Span);

    /// <summary>Leaves bytes of a message out.</summary>
    public async ValueTask SkipAsync(int count)
    {
        while (count > 0)
        {
            int part = Math.Min(count, Capacity);
            await ReadAsync(part).ConfigureAwait(false);
            count -= part;
        }
    }

    /// <summary>Bytes that were received already and not read, for whoever reads the stream from here on.</summary>
    public bool IsEmpty => _from == _to;

    public void Dispose() => _slow.Dispose();

    private async ValueTask CollectAsync(int count)
    {
        _bytes.AsSpan(_from.._to).CopyTo(_bytes);
        (_from, _to) = (0, _to - _from);
        _slow.CancelAfter(Patience);
        try
        {
            while (_to < count)
            {
                if (!await FillAsync(_slow.Token).ConfigureAwait(false))
                {
                    throw new EndOfStreamException();
                }
            }
        }
        catch (OperationCanceledException e) when (!ending.IsCancellationRequested)
        {
            throw new RfbException($"half a message, and nothing for {Patience.TotalSeconds:0} seconds behind it", e);
        }

        _slow.CancelAfter(Timeout.InfiniteTimeSpan);
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_from == _to)
        {
            (_from, _to) = (0, 0);
        }

        int count = await stream.ReadAsync(_bytes.AsMemory(_to), cancellationToken).ConfigureAwait(false);
        _to += count;
        return count > 0;
    }
}
