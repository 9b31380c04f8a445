using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Strata.Core.Display;
using Strata.Core.Input;
using Strata.Display.Feed;
using Strata.Display.Serving;

namespace Strata.Screens;

/// <summary>A machine's screen for VNC viewers. Disposing it hangs up on them; dispose it before the machine.</summary>
public sealed class VncDisplay : IAsyncDisposable
{
    private readonly ScreenFeed _feed;
    private readonly VncServer _server;

    private VncDisplay(ScreenFeed feed, VncServer server) => (_feed, _server) = (feed, server);

    /// <summary>Where it listens: IP:PORT, or the path of a Unix socket.</summary>
    public string Address => _server.EndPoint.ToString()!;

    /// <exception cref="StrataException">The address is not to be had, or strangers would be let in.</exception>
    internal static VncDisplay Start(
        VncSpec spec, string name, IScreen screen, IKeyboard keyboard, IPointer pointer, ITablet? tablet, ILogger logger)
    {
        ScreenFeed feed = new(screen, TimeProvider.System);
        SocketException? failure = null;
        VncServerOptions? tried = null;
        foreach (VncServerOptions options in spec.Resolve(name))
        {
            tried = options;
            try
            {
                return new VncDisplay(feed, VncServer.Start(options, feed, keyboard, pointer, logger, tablet));
            }
            catch (SocketException error)
            {
                failure = error;
                if (error.SocketErrorCode != SocketError.AddressAlreadyInUse)
                {
                    break;
                }
            }
        }

        throw new StrataException(
            StrataError.Host,
            $"The VNC display cannot listen on {tried?.Listen}: {failure?.Message}. Give another address: --display vnc=IP:PORT.", failure);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync().ConfigureAwait(false);
        await _feed.DisposeAsync().ConfigureAwait(false);
    }
}
