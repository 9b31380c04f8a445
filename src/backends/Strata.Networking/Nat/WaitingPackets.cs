using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Packets for stations whose Ethernet address is being asked for: the newest few of each, for a moment. RFC 1122, section 2.3.2.2, and
/// RFC 4861, section 7.2.2. Under the network's gate.
/// </summary>
internal sealed class WaitingPackets(IVirtualClock clock)
{
    /// <summary>Of one station; a further one takes the oldest one's place.</summary>
    public const int MostPackets = 4;

    /// <summary>Stations asked for; one more, and the first is forgotten.</summary>
    public const int MostStations = 16;

    /// <summary>Three questions of a second each, as RFC 4861 has it: MAX_MULTICAST_SOLICIT and RETRANS_TIMER.</summary>
    public const long PatienceNanoseconds = 3_000_000_000;

    private readonly Dictionary<InternetAddress, Queue<WaitingPacket>> _stations = [];
    private readonly Queue<InternetAddress> _order = new(); // of _stations, oldest first

    public bool IsEmpty => _stations.Count == 0;

    public void Add(InternetAddress source, InternetAddress destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        if (!_stations.TryGetValue(destination, out Queue<WaitingPacket>? waiting))
        {
            if (_stations.Count == MostStations)
            {
                _stations.Remove(_order.Dequeue());
            }

            _stations.Add(destination, waiting = new Queue<WaitingPacket>());
            _order.Enqueue(destination);
        }

        if (waiting.Count == MostPackets)
        {
            waiting.Dequeue();
        }

        waiting.Enqueue(new WaitingPacket(source, protocol, payload.ToArray(), clock.Now + PatienceNanoseconds));
    }

    /// <summary>What waits for a station that has been found, oldest first. What waited for too long is left out.</summary>
    public IEnumerable<WaitingPacket> Take(InternetAddress station)
    {
        if (!_stations.Remove(station, out Queue<WaitingPacket>? waiting))
        {
            return [];
        }

        InternetAddress[] left = [.. _order.Where(address => address != station)];
        _order.Clear();
        Array.ForEach(left, _order.Enqueue);
        long now = clock.Now;
        return waiting.Where(packet => packet.Until > now);
    }

    public void Clear()
    {
        _stations.Clear();
        _order.Clear();
    }
}

/// <param name="Until">When it is of no use any more (nanoseconds of the network's clock).</param>
internal sealed record WaitingPacket(InternetAddress Source, byte Protocol, byte[] Payload, long Until);
