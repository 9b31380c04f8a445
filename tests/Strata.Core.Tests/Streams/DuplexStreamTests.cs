using Strata.Core.Streams;

namespace Strata.Core.Tests.Streams;

#pragma warning disable CA1835 // the forms with arrays are what is tested

public sealed class DuplexStreamTests : IDisposable
{
    private readonly EchoStream _stream = new();

    [Fact]
    public void Read_OfAnArraysPart_FillsThatPart()
    {
        byte[] buffer = new byte[6];
        _stream.Write([1, 2, 3, 4, 5], 1, 3);

        int count = _stream.Read(buffer, 2, 4);

        Assert.Equal(3, count);
        Assert.Equal([0, 0, 2, 3, 4, 0], buffer);
    }

    [Fact]
    public async Task ReadAsync_OfAnArraysPart_FillsThatPart()
    {
        byte[] buffer = new byte[4];
        await _stream.WriteAsync(new byte[] { 7, 8, 9 }, 0, 2, CancellationToken.None);

        int count = await _stream.ReadAsync(buffer, 1, 3, CancellationToken.None);

        Assert.Equal(2, count);
        Assert.Equal([0, 7, 8, 0], buffer);
    }

    [Fact]
    public void ReadByte_BehindTheEnd_SaysSo()
    {
        _stream.WriteByte(42);

        Assert.Equal(42, _stream.ReadByte());
        Assert.Equal(-1, _stream.ReadByte());
    }

    [Fact]
    public async Task CopyToAsync_FromAndToIt_MovesEveryByte()
    {
        byte[] content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];
        await new MemoryStream(content).CopyToAsync(_stream);
        await _stream.FlushAsync();
        MemoryStream copy = new();

        await _stream.CopyToAsync(copy);

        Assert.Equal(content, copy.ToArray());
    }

    [Fact]
    public void Read_WhenTheConnectionBreaks_ThrowsWhatItThrew()
    {
        _stream.Failure = new IOException("The other side has gone.");

        IOException error = Assert.Throws<IOException>(() => _stream.ReadByte());

        Assert.Same(_stream.Failure, error);
    }

    [Fact]
    public async Task FlushAsync_WhenCancelled_IsCancelled() =>
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _stream.FlushAsync(new CancellationToken(canceled: true)));

    [Fact]
    public void PositionAndLength_DoNotExist()
    {
        Assert.False(_stream.CanSeek);
        Assert.Throws<NotSupportedException>(() => _stream.Length);
        Assert.Throws<NotSupportedException>(() => _stream.SetLength(1));
        Assert.Throws<NotSupportedException>(() => _stream.Position);
        Assert.Throws<NotSupportedException>(() => _stream.Position = 1);
        Assert.Throws<NotSupportedException>(() => _stream.Seek(0, SeekOrigin.Begin));
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>Reads what was written to it.</summary>
    private sealed class EchoStream : DuplexStream
    {
        private readonly Queue<byte> _bytes = new();

        public Exception? Failure { get; set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            int count = 0;
            while (Failure is null && count < buffer.Length && _bytes.TryDequeue(out byte next))
            {
                buffer.Span[count++] = next;
            }

            return Failure is null ? count : throw Failure;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            foreach (byte next in buffer.Span)
            {
                _bytes.Enqueue(next);
            }
        }
    }
}
