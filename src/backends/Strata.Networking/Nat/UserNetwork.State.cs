using Strata.Core.State;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <content>
/// The network as a unit of state, for a machine that has it alone. A connection that was there when the state was saved, and has moved no
/// byte since, goes on: that of a machine that goes back where it is. Conversations over UDP go on with the guest's next datagram; the
/// forwarded ports are those of the network that the state is loaded into.
/// </content>
public sealed partial class UserNetwork
{
    private IReadOnlyList<TcpResetState> _lost = []; // loaded, and not yet told the guest; under _gate

    public IReadOnlyList<IUnit> GetUnits(string name) => [new Unit(this, name)];

    private UserNetworkState SaveState()
    {
        lock (_gate)
        {
            return new UserNetworkState
            {
                Leases = [.. _dhcp.Leases.Select(
                    lease => new StationState { MacAddress = lease.Station.Value, Address = ((InternetAddress)lease.Address).Value })],
                Neighbours = [.. _link.Neighbours.Select(
                    known => new StationState { MacAddress = known.Station.Value, Address = known.Address.Value })],
                ForwardTarget = _link.ForwardTarget?.Value ?? 0,
                Connections = [.. _tcp.SaveConnections(), .. _lost],
            };
        }
    }

    private void LoadState(UserNetworkState state, string name)
    {
        lock (_gate)
        {
            Check(state, name);
            _dhcp.Load(state.Leases.Select(lease => (new MacAddress(lease.MacAddress), new InternetAddress(lease.Address).Ipv4)));
            _link.Forget();
            foreach (StationState known in state.Neighbours)
            {
                _link.Learn(new InternetAddress(known.Address), new MacAddress(known.MacAddress));
            }

            _link.ForwardTarget = state.ForwardTarget == 0 ? null : new Ipv4Address(state.ForwardTarget);
            _lost = _tcp.KeepOnly(state.Connections);
            _tftp?.Clear(); // who was reading asks again
        }
    }

    /// <summary>The guest that was there is gone: nothing is kept for the next one.</summary>
    private void ResetState()
    {
        lock (_gate)
        {
            _dhcp.Load([]);
            _link.Forget();
            _link.ForwardTarget = _options.WaitsForGuest ? null : _options.FirstGuest;
            _tcp.DropAll();
            _tftp?.Clear();
            _lost = [];
        }
    }

    private void ResumeState()
    {
        lock (_gate)
        {
            foreach (TcpResetState lost in _lost)
            {
                _tcp.SendReset(
                    new FlowKey(new InternetAddress(lost.Guest), lost.GuestPort, new InternetAddress(lost.Remote), lost.RemotePort),
                    lost.Sequence,
                    lost.Acknowledgment);
            }

            _lost = [];
        }
    }

    private void Check(UserNetworkState state, string name)
    {
        HashSet<UInt128> addresses = [];
        HashSet<ulong> stations = [];
        foreach (StationState lease in state.Leases)
        {
            InternetAddress address = new(lease.Address);
            if (!address.IsIpv4 || !_link.IsGuests(address) || !addresses.Add(lease.Address) || !stations.Add(lease.MacAddress))
            {
                throw Refuse(name, $"the lease of {address} is none of the network {_options.Network}, or there twice");
            }
        }

        if (state.Neighbours.Count > GuestLink.MostNeighbours
            || state.Neighbours.FirstOrDefault(known => !_link.IsGuests(new InternetAddress(known.Address)))
                is not null
            || state.Neighbours.DistinctBy(known => known.Address).Count() != state.Neighbours.Count)
        {
            throw Refuse(name, $"the guest's addresses are not all of the network {_options.Network}, or one is there twice");
        }

        if (state.ForwardTarget != 0 && !_link.IsGuests(new Ipv4Address(state.ForwardTarget)))
        {
            throw Refuse(
                name, $"forwarded ports lead to {new Ipv4Address(state.ForwardTarget)}, which is none of the network {_options.Network}");
        }

        if (state.Connections.FirstOrDefault(lost => !_link.IsGuests(new InternetAddress(lost.Guest))
            || new InternetAddress(lost.Guest).IsIpv4 != new InternetAddress(lost.Remote).IsIpv4) is { } wrong)
        {
            throw Refuse(name, $"a connection is of {new InternetAddress(wrong.Guest)}, which is none of the network {_options.Network}");
        }
    }

    private static StateException Refuse(string name, string why) =>
        new($"The saved state of {name} cannot be used: {why}. Give the machine the network that it had.");

    private sealed class Unit(UserNetwork network, string name) : IUnit<UserNetworkState>
    {
        public string UnitName => name;

        public void Reset() => network.ResetState();

        public void Resume() => network.ResumeState();

        public UserNetworkState SaveState() => network.SaveState();

        public void LoadState(UserNetworkState state) => network.LoadState(state, name);
    }
}
