using Strata.Core.Streams;

namespace Strata.Control;

/// <summary>
/// A stream of bytes in frames of a control connection: what remains of the connection when both sides have agreed on one. Reading
/// and writing are independent; one reader and one writer at a time.
/// </summary>
internal sealed class ControlStream(Stream connection) : DuplexStream
{
    private ReadOnlyMemory<byte> _rest;
    private bool _ended;
    private bool _completed;

    /// <summary>Tells the other side that nothing more is written.</summary>
    public async ValueTask CompleteWritingAsync(CancellationToken cancellationToken = default)
    {
        _completed = true;
        await new ControlFrame(ControlFrameType.End, default).WriteAsync(connection, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the stream with a cause, which the other side's reader gets as an exception.</summary>
    public async ValueTask FailAsync(ControlFailure failure, CancellationToken cancellationToken)
    {
        _completed = true;
        await ControlJson.Write(new ControlReply { Failure = failure }).WriteAsync(connection, cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="IOException">The other side has gone, or said why the stream broke.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_rest.IsEmpty)
        {
            if (_ended || buffer.IsEmpty)
            {
                return 0;
            }

            ControlFrame frame = await ControlFrame.ReadAsync(connection, cancellationToken).ConfigureAwait(false)
                ?? throw new IOException("The machine has gone.");
            switch (frame.Type)
            {
                case ControlFrameType.Data:
                    _rest = frame.Payload;
                    break;
                case ControlFrameType.End:
                    _ended = true;
                    break;
                default:
                    throw new IOException(ControlJson.ReadReply(frame).Failure?.Message ?? "The stream was broken without a cause.");
            }
        }

        int count = Math.Min(buffer.Length, _rest.Length);
        _rest[..count].CopyTo(buffer);
        _rest = _rest[count..];
        return count;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_completed)
        {
            throw new IOException("This side of the stream was ended.");
        }

        while (!buffer.IsEmpty)
        {
            ReadOnlyMemory<byte> piece = buffer[..Math.Min(buffer.Length, ControlFrame.LargestData)];
            buffer = buffer[piece.Length..];
            await new ControlFrame(ControlFrameType.Data, piece).WriteAsync(connection, cancellationToken).ConfigureAwait(false);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            connection.Dispose();
        }

        base.Dispose(disposing);
    }
}
