using Strata.Core.Streams;

namespace Strata.Virtio.Vsock;

/// <summary>
/// A connection with a program in the guest. Reading and writing are independent; one reader and one writer at a time. Disposing
/// ends both directions after everything written has been sent.
/// </summary>
public sealed class VsockStream : DuplexStream
{
    private readonly VsockHub _hub;
    private readonly VsockConnection _connection;

    internal VsockStream(VsockHub hub, VsockConnection connection)
    {
        _hub = hub;
        _connection = connection;
    }

    public uint HostPort => _connection.HostPort;

    public uint GuestPort => _connection.GuestPort;

    /// <summary>Tells the guest that nothing more is written; it reads the end of the stream.</summary>
    public void CompleteWriting() => _hub.ShutDown(_connection, VsockHeader.ShutdownSend);

    /// <returns>Bytes read; 0 when the guest has ended its side.</returns>
    /// <exception cref="VsockException">The connection broke.</exception>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _hub.ReadAsync(_connection, buffer, cancellationToken);

    /// <summary>Completes when the bytes are buffered; waits while the guest does not take them.</summary>
    /// <exception cref="VsockException">The connection is closed or broke.</exception>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        _hub.WriteAsync(_connection, buffer, cancellationToken);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hub.ShutDown(_connection, VsockHeader.ShutdownReceive | VsockHeader.ShutdownSend);
        }

        base.Dispose(disposing);
    }
}
