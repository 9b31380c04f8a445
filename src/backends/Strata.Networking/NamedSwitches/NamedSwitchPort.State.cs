using Strata.Core.State;

namespace Strata.Networking.NamedSwitches;

/// <summary>What a port of a named switch keeps for its guest. Leases belong to the switch's host, which other machines use, too.</summary>
public sealed class NamedSwitchPortState : IStateRecord<NamedSwitchPortState>
{
    /// <inheritdoc/>
    public static ushort Version => 1;

    /// <summary>
    /// The IPv4 address that the guest sent from last; zero for none. A host of the switch is told, so that it gives it to nobody else.
    /// </summary>
    public required uint Address { get; set; }

    /// <inheritdoc/>
    public static NamedSwitchPortState Read(StateReader reader, ushort version)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return new NamedSwitchPortState { Address = reader.Read<uint>(nameof(Address)) };
    }

    /// <inheritdoc/>
    public void Write(StateWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write(Address);
    }
}

/// <content>The port as a unit of state.</content>
public sealed partial class NamedSwitchPort
{
    private volatile bool _mustTell; // an address was loaded that the switch's host does not know

    public IReadOnlyList<IUnit> GetUnits(string name) => [new Unit(this, name)];

    /// <summary>Joins again: the host hears of an address when a machine joins.</summary>
    private void TellAddress()
    {
        if (_mustTell)
        {
            _mustTell = false;
            _channel?.Stop();
        }
    }

    private sealed class Unit(NamedSwitchPort port, string name) : IUnit<NamedSwitchPortState>
    {
        public string UnitName => name;

        public void Reset() => port._address = 0;

        public void Resume() => port.TellAddress();

        public NamedSwitchPortState SaveState() => new() { Address = port._address };

        public void LoadState(NamedSwitchPortState state)
        {
            port._mustTell |= state.Address != port._address && state.Address != 0;
            port._address = state.Address;
        }
    }
}
