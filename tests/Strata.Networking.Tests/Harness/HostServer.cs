using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Tests.Harness;

/// <summary>A TCP server of the host on a port of its own.</summary>
internal sealed class HostServer : IDisposable
{
    private readonly Socket _listener;

    /// <param name="address">127.0.0.1 unless another loopback address is given.</param>
    public HostServer(IPAddress? address = null)
    {
        address ??= IPAddress.Loopback;
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(address, 0));
        _listener.Listen(64);
    }

    public ushort Port => (ushort)((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>The next caller, with time-outs so that a test fails instead of waiting for ever.</summary>
    public Socket Accept()
    {
        Assert.True(_listener.Poll(TimeSpan.FromSeconds(10), SelectMode.SelectRead), "Nobody called the host's server.");
        return Limit(_listener.Accept());
    }

    public static Socket Limit(Socket socket)
    {
        socket.ReceiveTimeout = 60_000;
        socket.SendTimeout = 10_000;
        socket.NoDelay = true;
        return socket;
    }

    /// <summary>Reads exactly so many bytes.</summary>
    public static byte[] Read(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        int have = 0;
        while (have < count)
        {
            int more = socket.Receive(bytes.AsSpan(have));
            Assert.True(more > 0, $"The connection ended after {have} of {count} bytes.");
            have += more;
        }

        return bytes;
    }

    public void Dispose() => _listener.Dispose();
}
