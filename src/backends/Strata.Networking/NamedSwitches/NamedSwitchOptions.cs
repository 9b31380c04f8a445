using Strata.Networking.Frames;
using Strata.Networking.Nat;
using Strata.Networking.Switching;

namespace Strata.Networking.NamedSwitches;

/// <summary>How a machine's card is plugged into a named switch.</summary>
public sealed record NamedSwitchOptions
{
    /// <summary>The switch has no way out. All of its machines must say the same.</summary>
    public bool IsIsolated { get; init; }

    /// <summary>The VLAN of the card, 1..4094; the router and its DHCP server are in VLAN 1.</summary>
    public int Vlan { get; init; } = 1;

    /// <summary>What happens to frames on the machine's cable, in each direction. Its seed and queue do not count.</summary>
    public LinkConditions Conditions { get; init; } = LinkConditions.Perfect;

    /// <summary>Ports of the host that lead into the machine, whoever hosts the switch. Its cable does nothing to their frames.</summary>
    public IReadOnlyList<PortForward> Forwards { get; init; } = [];
}

/// <summary>Who is plugged into a named switch.</summary>
/// <param name="Machine">What the switch calls the machine: a name as that of a switch.</param>
/// <param name="Mac">Its card.</param>
public sealed record NamedSwitchStation(string Machine, MacAddress Mac);
