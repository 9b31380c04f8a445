using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Strata.Core.Input;
using Strata.Core.Posix;
using Strata.Display.Feed;
using Strata.Display.Keys;
using Strata.Display.Rfb;

namespace Strata.Display.Serving;

/// <summary>
/// Shows a screen to VNC clients and takes their keys and movements: RFB 3.3, 3.7 and 3.8 (RFC 6143). Disposing it hangs up on all of them.
/// </summary>
public sealed partial class VncServer : IAsyncDisposable
{
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    private readonly VncServerOptions _options;
    private readonly ScreenFeed _feed;
    private readonly KeyboardInput? _keyboard;
    private readonly IPointer? _pointer;
    private readonly ITablet? _tablet;
    private readonly ILogger _logger;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _ending = new();
    private readonly HashSet<Task> _clients = []; // under itself
    private readonly Task _accepting;
    private bool _disposed;

    private VncServer(
        VncServerOptions options, Socket listener, ScreenFeed feed, IKeyboard? keyboard, IPointer? pointer, ITablet? tablet, ILogger logger)
    {
        _options = options;
        _listener = listener;
        _feed = feed;
        _keyboard = keyboard is null ? null : new KeyboardInput(keyboard, TimeProvider.System);
        _pointer = pointer;
        _tablet = tablet;
        _logger = logger;
        EndPoint = listener.LocalEndPoint ?? options.Listen;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens, with the port that the host chose.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>Begins to listen.</summary>
    /// <param name="feed">What is shown; not disposed here.</param>
    /// <param name="keyboard">What keys go to; null for nothing.</param>
    /// <param name="pointer">What movements go to; null for nothing.</param>
    /// <param name="tablet">What places go to, once its guest listens; null for nothing.</param>
    /// <exception cref="ArgumentException">The options would let strangers in.</exception>
    /// <exception cref="SocketException">The address is not to be had.</exception>
    public static VncServer Start(
        VncServerOptions options, ScreenFeed feed, IKeyboard? keyboard, IPointer? pointer, ILogger logger, ITablet? tablet = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        Socket listener = VncListener.Open(options.Listen);
        return new VncServer(options, listener, feed, keyboard, pointer, tablet, logger);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _ending.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        Task[] left;
        lock (_clients)
        {
            left = [.. _clients];
        }

        await Task.WhenAll(left).ConfigureAwait(false);
        VncListener.Close(_listener, EndPoint);
        _keyboard?.Dispose();
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                if (await TryAcceptAsync().ConfigureAwait(false) is { } peer)
                {
                    Accept(peer);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // the end
        }
    }

    /// <returns>Null where a connection did not come about, or the host has no descriptors for it now.</returns>
    private async Task<Socket?> TryAcceptAsync()
    {
        try
        {
            return await _listener.AcceptAsync(_ending.Token).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            LogNotAccepted(_logger, e.Message);
            await Task.Delay(AcceptPause, _ending.Token).ConfigureAwait(false);
            return null;
        }
    }

    private void Accept(Socket peer)
    {
        lock (_clients)
        {
            _clients.RemoveWhere(client => client.IsCompleted);
            if (_clients.Count >= _options.MostClients)
            {
                LogTooMany(_logger, NameOf(peer), _clients.Count);
                peer.Dispose();
                return;
            }

            _clients.Add(Task.Run(() => ServeAsync(peer)));
        }
    }

    private async Task ServeAsync(Socket peer)
    {
        string name = NameOf(peer);
        await using NetworkStream network = new(peer, ownsSocket: true);
        try
        {
            if (_options.Listen is UnixDomainSocketEndPoint && !PeerCredentials.Of(peer).IsSameUser)
            {
                throw new RfbException("it is another user's");
            }

            if (peer.ProtocolType == ProtocolType.Tcp)
            {
                peer.NoDelay = true;
            }

            using CancellationTokenSource connection = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
            await ServeAsync(name, network, connection).ConfigureAwait(false);
            LogGone(_logger, name);
        }
        catch (RfbException e)
        {
            LogRefused(_logger, name, e.Message);
        }
        catch (IOException)
        {
            LogGone(_logger, name); // it hung up, perhaps in the middle of a message
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // the server's end
        }
#pragma warning disable CA1031 // One client's connection ends, and is told of; the others and the machine go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDefect(_logger, e, name);
        }
    }

    private async Task ServeAsync(string name, NetworkStream network, CancellationTokenSource connection)
    {
        connection.CancelAfter(_options.Patience);
        await using ClientEntrance entrance = new(_options);
        using RfbLogin login = new(_options, connection.Token);
        try
        {
            await entrance.OpenAsync(network, connection.Token).ConfigureAwait(false);
            await login.RunAsync(entrance.Stream, entrance.IsEncrypted).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!_ending.IsCancellationRequested)
        {
            throw new RfbException($"it did not log in within {_options.Patience.TotalSeconds:0} seconds", e);
        }

        connection.CancelAfter(Timeout.InfiniteTimeSpan);
        login.Reader.Patience = _options.Patience;
        LogConnected(_logger, name);
        using RfbSession session = new(login, _options, _feed, _keyboard, _pointer, _tablet, connection);
        try
        {
            await session.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            await session.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private static string NameOf(Socket peer) => peer.RemoteEndPoint is IPEndPoint address ? address.ToString() : "a local process";
}
