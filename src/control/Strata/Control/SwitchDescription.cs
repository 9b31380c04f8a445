using Strata.Networking.NamedSwitches;

namespace Strata.Control;

/// <summary>A switch that machines of several processes are plugged into.</summary>
public sealed record SwitchDescription
{
    public required string Name { get; init; }

    /// <summary>Without a way out.</summary>
    public bool IsIsolated { get; init; }

    /// <summary>The machine whose process carries the frames.</summary>
    public string Host { get; init; } = string.Empty;

    /// <summary>Its process.</summary>
    public int HostProcessId { get; init; }

    /// <summary>Stations that the switch remembers.</summary>
    public int StationCount { get; init; }

    public IReadOnlyList<SwitchPortDescription> Ports { get; init; } = [];

    /// <summary>False for a switch whose hosting process did not answer in time: it is stopped, perhaps.</summary>
    public bool Answers { get; init; } = true;

    internal static SwitchDescription Of(NamedSwitchDescription description) => new()
    {
        Name = description.Name,
        IsIsolated = description.IsIsolated,
        Host = description.Host,
        HostProcessId = description.HostProcessId,
        StationCount = description.StationCount,
        Ports = [.. description.Ports.Select(SwitchPortDescription.Of)],
        Answers = description.Answers,
    };
}

/// <summary>A port of a switch; counters in frames.</summary>
public sealed record SwitchPortDescription
{
    /// <summary>Counts from 1 in the order in which ports were added since this process hosts the switch.</summary>
    public int Number { get; init; }

    /// <summary>The machine that is plugged in; null for the router.</summary>
    public string? Machine { get; init; }

    /// <summary>Its process; 0 for the router.</summary>
    public int ProcessId { get; init; }

    /// <summary>The card's address; null for the router.</summary>
    public string? Mac { get; init; }

    /// <summary>The IPv4 address that its card got by DHCP, or null.</summary>
    public string? Address { get; init; }

    public int Vlan { get; init; }

    /// <summary>Addresses of the stations heard behind the port; the first 16.</summary>
    public IReadOnlyList<string> Stations { get; init; } = [];

    /// <summary>Taken into the switch.</summary>
    public long In { get; init; }

    /// <summary>Handed to what is plugged in.</summary>
    public long Out { get; init; }

    /// <summary>Dropped because of their source address or VLAN.</summary>
    public long Filtered { get; init; }

    /// <summary>Lost on purpose.</summary>
    public long Lost { get; init; }

    /// <summary>Dropped because a queue or the receiver was full.</summary>
    public long Overflowed { get; init; }

    internal static SwitchPortDescription Of(NamedSwitchPortDescription port) => new()
    {
        Number = port.Number,
        Machine = port.Machine,
        ProcessId = port.ProcessId,
        Mac = port.Mac,
        Address = port.Address,
        Vlan = port.Vlan,
        Stations = port.Stations,
        In = port.In,
        Out = port.Out,
        Filtered = port.Filtered,
        Lost = port.Lost,
        Overflowed = port.Overflowed,
    };
}
