using System.Net.Sockets;
using Strata.Core.Time;
using Strata.Networking.Sockets;

namespace Strata.Networking.Nat;

/// <summary>What the services of a user-mode network share.</summary>
/// <param name="Gate">The network's one lock: held over every frame, socket event and timer, and taken before any lock of a card.</param>
internal sealed record NatContext(
    Lock Gate, UserNetworkOptions Options, IVirtualClock Clock, SocketPoller Poller, GuestLink Link, IcmpService Icmp, HostAddresses Addresses)
{
    /// <summary>The ICMP code that fits a failed connection; null for one that TCP itself can report.</summary>
    public static byte? UnreachableCode(SocketError error) => error switch
    {
        SocketError.ConnectionRefused or SocketError.ConnectionReset => null,
        SocketError.NetworkUnreachable or SocketError.NetworkDown => IcmpService.CodeNetUnreachable,
        SocketError.AccessDenied => IcmpService.CodeProhibited,
        _ => IcmpService.CodeHostUnreachable,
    };
}

/// <summary>A conversation as the guest sees it.</summary>
internal readonly record struct FlowKey(Frames.Ipv4Address Guest, ushort GuestPort, Frames.Ipv4Address Remote, ushort RemotePort);
