using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Strata.Display.Feed;
using Strata.Display.Serving;

namespace Strata.Display.Tests.Harness;

/// <summary>A server with a screen that a test paints, on a port of its own.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly VncServer _server;

    public TestServer(int width = 320, int height = 200, Func<VncServerOptions, VncServerOptions>? configure = null)
    {
        Screen = new FakeScreen(width, height);
        Feed = new ScreenFeed(Screen, TimeProvider.System);
        VncServerOptions options = new()
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            Name = "test",
            Patience = TimeSpan.FromSeconds(60),
        };
        _server = VncServer.Start(configure?.Invoke(options) ?? options, Feed, Input, Input, Log, Input);
    }

    public FakeScreen Screen { get; }

    public ScreenFeed Feed { get; }

    public FakeInput Input { get; } = new();

    public LogLines Log { get; } = new();

    public EndPoint EndPoint => _server.EndPoint;

    /// <summary>Connects without a word.</summary>
    public async Task<NetworkStream> ConnectAsync()
    {
        Socket socket = new(
            EndPoint.AddressFamily, SocketType.Stream, EndPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        await socket.ConnectAsync(EndPoint);
        return new NetworkStream(socket, ownsSocket: true) { ReadTimeout = 60_000, WriteTimeout = 60_000 };
    }

    /// <summary>Connects and logs in.</summary>
    public async Task<RfbClient> LogInAsync(string? password = null) =>
        await RfbClient.LogInAsync(await ConnectAsync(), password: password);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await Feed.DisposeAsync();
    }
}
