using System.Threading.Channels;

namespace Strata.Virtio.Vsock;

/// <summary>A port of the host that the guest can connect to. Members are safe on any thread.</summary>
public sealed class VsockListener : IDisposable
{
    /// <summary>Connections that wait to be accepted; more are refused.</summary>
    public const int Backlog = 64;

    private readonly VsockHub _hub;
    private readonly Channel<VsockStream> _waiting = Channel.CreateBounded<VsockStream>(Backlog);

    internal VsockListener(VsockHub hub, uint port)
    {
        _hub = hub;
        Port = port;
    }

    public uint Port { get; }

    /// <summary>Waits for the guest to connect.</summary>
    /// <exception cref="VsockException">The listener was closed, or the machine has ended.</exception>
    public async Task<VsockStream> AcceptAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await _waiting.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException error)
        {
            throw new VsockException($"Nobody listens on port {Port} any more.", error);
        }
    }

    public void Dispose()
    {
        _hub.StopListening(this);
        _waiting.Writer.TryComplete();
        while (_waiting.Reader.TryRead(out VsockStream? stream))
        {
            stream.Dispose();
        }
    }

    internal bool TryOffer(VsockStream stream) => _waiting.Writer.TryWrite(stream);
}
