using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using Strata.Display.Rfb;

namespace Strata.Display.Serving;

/// <summary>
/// Finds out how a client comes: viewers wait for the server to speak first, browsers do not. Where web pages may connect, a client that
/// says nothing for a moment is a viewer.
/// </summary>
internal sealed class ClientEntrance(VncServerOptions options) : IAsyncDisposable
{
    private const byte TlsHandshake = 0x16;

    /// <summary>What a browser sends comes with the packet that opens the connection, or right behind it.</summary>
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(200);

    private SslStream? _tls;
    private WebSocketStream? _web;

    /// <summary>Where RFB goes.</summary>
    public Stream Stream { get; private set; } = Stream.Null;

    /// <summary>Whether it goes through TLS.</summary>
    public bool IsEncrypted => _tls is not null;

    /// <exception cref="RfbException">A web page of another origin, or no WebSocket.</exception>
    public async Task OpenAsync(NetworkStream network, CancellationToken cancellationToken)
    {
        Stream = network;
        if (options.WebOrigins.Count == 0 || await PeekAsync(network.Socket, cancellationToken).ConfigureAwait(false) is not { } first)
        {
            return;
        }

        if (options.Certificate is not null)
        {
            if (first != TlsHandshake)
            {
                throw new RfbException("it came by ws:// where wss:// is needed");
            }

            Stream = _tls = await TlsEntrance.OpenAsync(network, options, cancellationToken).ConfigureAwait(false);
        }

        WebSocket socket = await WebSocketUpgrade.AcceptAsync(Stream, options.WebOrigins, cancellationToken).ConfigureAwait(false);
        Stream = _web = WebSocketStream.Create(socket, WebSocketMessageType.Binary, ownsWebSocket: true);
    }

    public async ValueTask DisposeAsync()
    {
        if (_web is not null)
        {
            await _web.DisposeAsync().ConfigureAwait(false);
        }

        if (_tls is not null)
        {
            await _tls.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <returns>The first byte, which stays to be read; null from a client that waits.</returns>
    private static async Task<byte?> PeekAsync(Socket socket, CancellationToken cancellationToken)
    {
        byte[] first = new byte[1];
        using CancellationTokenSource moment = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        moment.CancelAfter(Moment);
        try
        {
            return await socket.ReceiveAsync(first, SocketFlags.Peek, moment.Token).ConfigureAwait(false) == 0 ? null : first[0];
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
