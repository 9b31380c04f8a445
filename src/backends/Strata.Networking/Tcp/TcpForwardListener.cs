using System.Net.Sockets;
using Strata.Networking.Nat;
using Strata.Networking.Sockets;

namespace Strata.Networking.Tcp;

/// <summary>The host's end of a forwarded TCP port. Under the network's gate.</summary>
internal sealed class TcpForwardListener : ISocketEvents
{
    /// <summary>Callers that wait to be accepted; one more would wait for a second before it tries again.</summary>
    private const int Backlog = 1024;

    private readonly TcpService _service;

    public TcpForwardListener(TcpService service, PortForward forward)
    {
        _service = service;
        Forward = forward;
        Socket = HostSocket.Bind(forward, SocketType.Stream, ProtocolType.Tcp);
        Socket.Listen(Backlog);
    }

    public PortForward Forward { get; }

    public Socket Socket { get; }

    public long Token { get; set; }

    public void OnReady(bool readable, bool writable) => _service.Accept(this);
}
