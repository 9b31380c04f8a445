using System.Net.Sockets;
using Strata.Networking.Sockets;

namespace Strata.Networking.Nat;

/// <summary>One guest's pings to one place outside: a ping socket of the host. Under the network's gate.</summary>
/// <param name="key">The guest's port is the identifier of its echo requests.</param>
internal sealed class PingFlow(PingService service, FlowKey key, Socket socket) : ISocketEvents
{
    public FlowKey Key => key;

    public Socket Socket => socket;

    /// <summary>The poller's number.</summary>
    public long Token { get; set; }

    /// <summary>Nanoseconds on the network's clock.</summary>
    public long LastUsed { get; set; }

    public void OnReady(bool readable, bool writable) => service.Receive(this);
}
