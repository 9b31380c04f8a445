using System.Net;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>What varies between user-mode networks. The addresses are those that guests of other monitors are used to.</summary>
public sealed record UserNetworkOptions
{
    /// <summary>The guests' network.</summary>
    public Ipv4Network Network { get; init; } = new(Ipv4Address.Parse("10.0.2.0"), 24);

    /// <summary>The router; it also stands for the host's loopback address.</summary>
    public Ipv4Address Gateway { get; init; } = Ipv4Address.Parse("10.0.2.2");

    /// <summary>The name server; it stands for the host's.</summary>
    public Ipv4Address Dns { get; init; } = Ipv4Address.Parse("10.0.2.3");

    /// <summary>The address of the first guest that asks for one; the following ones get the next.</summary>
    public Ipv4Address FirstGuest { get; init; } = Ipv4Address.Parse("10.0.2.15");

    /// <summary>The host's name server; null reads it from /etc/resolv.conf at each query.</summary>
    public IPEndPoint? Resolver { get; init; }

    /// <summary>Ports of the host that lead into the guest.</summary>
    public IReadOnlyList<PortForward> Forwards { get; init; } = [];

    /// <summary>Where guests may connect to.</summary>
    public EgressPolicy Egress { get; init; } = EgressPolicy.AllowAll;

    /// <summary>Most TCP connections at a time.</summary>
    public int MaxConnections { get; init; } = 1024;

    /// <summary>Most UDP conversations at a time; the least recently used one ends for a new one.</summary>
    public int MaxUdpFlows { get; init; } = 512;

    /// <summary>Most bytes that all connections buffer together.</summary>
    public long MaxBufferedBytes { get; init; } = 64 << 20;

    /// <summary>Bytes of the largest IP packet to a guest without segmentation offload, 576..65535.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Whether forwarded ports lead to the guest of <see cref="UserNetwork.SetGuest"/>, of which there is none at first.</summary>
    internal bool WaitsForGuest { get; init; }
}
