using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>How a switch port treats what is plugged into it.</summary>
public sealed record SwitchPortOptions
{
    public PortVlan Vlan { get; init; } = PortVlan.Access(1);

    /// <summary>Source addresses that may send; none for any.</summary>
    public IReadOnlyCollection<MacAddress> AllowedMacs { get; init; } = [];

    /// <summary>
    /// Sources that may send, in packets, in ARP and in neighbour discovery; none for any. A station that asks for its address by DHCP may
    /// send from 0.0.0.0, and one that asks whether its own is free from ::. A station that speaks IPv6 needs its link-local address
    /// here as well (fe80::/10 for any). No station of such a port can call itself a router; other protocols than IP and ARP are dropped.
    /// </summary>
    public IReadOnlyCollection<InternetNetwork> AllowedIps { get; init; } = [];

    /// <summary>What happens to frames on their way into the switch.</summary>
    public LinkConditions In { get; init; } = LinkConditions.Perfect;

    /// <summary>What happens to frames on their way out of the switch.</summary>
    public LinkConditions Out { get; init; } = LinkConditions.Perfect;
}

/// <summary>What a port has seen, in frames.</summary>
/// <param name="In">Taken into the switch.</param>
/// <param name="Out">Handed to what is plugged in.</param>
/// <param name="Filtered">Dropped because of their source address or VLAN.</param>
/// <param name="Lost">Lost on purpose, see <see cref="LinkConditions.Loss"/>.</param>
/// <param name="Overflowed">Dropped because a queue or the receiver was full.</param>
public readonly record struct SwitchPortCounters(long In, long Out, long Filtered, long Lost, long Overflowed);
