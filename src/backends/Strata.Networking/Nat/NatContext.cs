using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Sockets;

namespace Strata.Networking.Nat;

/// <summary>What the services of a user-mode network share.</summary>
/// <param name="Gate">The network's one lock: held over every frame, socket event and timer, and taken before any lock of a card.</param>
internal sealed record NatContext(
    Lock Gate, UserNetworkOptions Options, IVirtualClock Clock, SocketPoller Poller, GuestLink Link, IcmpService Icmp,
    HostAddresses Addresses)
{
    /// <summary>What ICMP says of a failed connection; null for one that TCP itself can report.</summary>
    public static Unreachable? ReasonOf(SocketError error) => error switch
    {
        SocketError.ConnectionRefused or SocketError.ConnectionReset => null,
        SocketError.NetworkUnreachable or SocketError.NetworkDown => Unreachable.Network,
        SocketError.AccessDenied => Unreachable.Prohibited,
        _ => Unreachable.Host,
    };
}

/// <summary>A conversation as the guest sees it; both addresses are of one protocol.</summary>
internal readonly record struct FlowKey(InternetAddress Guest, ushort GuestPort, InternetAddress Remote, ushort RemotePort);
