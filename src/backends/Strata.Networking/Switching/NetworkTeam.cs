using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>How a team uses its members.</summary>
public enum TeamPolicy
{
    /// <summary>The first member that works carries everything; the others wait.</summary>
    ActiveBackup,

    /// <summary>Each station behind the team keeps to one working member, chosen by its MAC address.</summary>
    Balance,
}

/// <summary>
/// Several networks used as one: ports of one switch or of several. When a member's link fails, the others carry its frames.
/// A member hears of the stations behind the team only through the one that carries them, so switches need no agreement.
/// Safe on any thread.
/// </summary>
public sealed class NetworkTeam : INetworkBackend
{
    private const int MostStations = 256;

    private readonly Lock _gate = new();
    private readonly TeamPolicy _policy;
    private readonly Member[] _members;
    private readonly HashSet<MacAddress> _stations = []; // those behind the team; under _gate
    private readonly Queue<MacAddress> _order = new();   // of _stations, oldest first; under _gate
    private IFrameReceiver? _receiver; // written once, before the first frame
    private bool _carrier = true;      // what the receiver was told; under _gate

    /// <param name="members">In order of preference. The team disposes them.</param>
    public NetworkTeam(TeamPolicy policy, params INetworkBackend[] members)
    {
        ArgumentNullException.ThrowIfNull(members);
        ArgumentOutOfRangeException.ThrowIfZero(members.Length, nameof(members));
        _policy = policy;
        _members = [.. members.Select(network => new Member(this, network))];
        Accepts = members.Aggregate((FrameFeatures)(-1), (common, member) => common & member.Accepts);
    }

    /// <summary>What every member accepts.</summary>
    public FrameFeatures Accepts { get; }

    /// <summary>Index of the first working member, or −1.</summary>
    public int ActiveMember
    {
        get
        {
            lock (_gate)
            {
                return Array.FindIndex(_members, member => member.IsUp);
            }
        }
    }

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        foreach (Member member in _members)
        {
            member.Network.Connect(member);
        }
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (!EthernetFrame.TryParse(frame, out EthernetFrame ethernet))
        {
            return;
        }

        Member? member;
        lock (_gate)
        {
            Remember(ethernet.Source);
            member = Choose(ethernet.Source);
        }

        member?.Network.Send(frame, offload);
    }

    public void Resume()
    {
        foreach (Member member in _members)
        {
            member.Network.Resume();
        }
    }

    public IReadOnlyList<IUnit> GetUnits(string name) =>
        [.. _members.Index().SelectMany(member => member.Item.Network.GetUnits($"{name}.{member.Index}"))];

    public void Dispose()
    {
        foreach (Member member in _members)
        {
            member.Network.Dispose();
        }
    }

    private void Remember(MacAddress station)
    {
        if (_stations.Add(station))
        {
            _order.Enqueue(station);
            if (_order.Count > MostStations)
            {
                _stations.Remove(_order.Dequeue());
            }
        }
    }

    /// <summary>The member that carries a station; null while none works. Under the gate.</summary>
    private Member? Choose(MacAddress station)
    {
        Member[] working = Array.FindAll(_members, member => member.IsUp);
        return working.Length == 0 ? null
            : _policy == TeamPolicy.ActiveBackup ? working[0]
            : working[(int)(station.Value % (ulong)working.Length)];
    }

    /// <summary>
    /// Whether a frame that a member brought is to be taken: not one of the team's own that a switch sent back, and each only once,
    /// though a switch may send it to every member.
    /// </summary>
    private bool IsWanted(Member from, ReadOnlySpan<byte> head)
    {
        if (!EthernetFrame.TryParse(head, out EthernetFrame ethernet))
        {
            return false;
        }

        lock (_gate)
        {
            MacAddress destination = ethernet.Destination;
            return !_stations.Contains(ethernet.Source)
                && from == (destination.IsGroup ? Array.Find(_members, member => member.IsUp) : Choose(destination));
        }
    }

    private void OnCarrier(Member member, bool up)
    {
        bool carrier;
        lock (_gate)
        {
            member.IsUp = up;
            carrier = Array.Exists(_members, other => other.IsUp);
            if (carrier == _carrier)
            {
                return;
            }

            _carrier = carrier;
        }

        _receiver?.SetCarrier(carrier);
    }

    private sealed class Member(NetworkTeam team, INetworkBackend network) : IFrameReceiver
    {
        public INetworkBackend Network => network;

        /// <summary>Under the team's gate.</summary>
        public bool IsUp { get; set; } = true;

        public FrameFeatures Accepts => team._receiver?.Accepts ?? FrameFeatures.None;

        public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload) =>
            !team.IsWanted(this, head) || team._receiver is not { } receiver || receiver.TryReceive(head, payload, offload);

        public void SetCarrier(bool up) => team.OnCarrier(this, up);
    }
}
