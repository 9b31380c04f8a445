using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// The router's part in neighbour discovery: tells guests its Ethernet address, and the prefix that they make their IPv6 addresses of.
/// RFC 4861 and RFC 4862. Whether it calls itself a way out depends on the host: see <see cref="HostAddresses.HasIpv6WayOut"/>.
/// Who asks is answered at his own Ethernet address, so that others behind a switch hear of it only by the advertisements that come from
/// time to time; and those begin with the first guest that speaks IPv6. Under the network's gate.
/// </summary>
internal sealed class NeighbourService : IDisposable
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Between MinRtrAdvInterval and MaxRtrAdvInterval of RFC 4861, section 6.2.1.</summary>
    private const long IntervalNanoseconds = 300 * NanosecondsPerSecond;

    /// <summary>How long an answer about the host's routes is good for.</summary>
    private const long RouteNanoseconds = NanosecondsPerSecond;

    /// <summary>AdvDefaultLifetime: several advertisements may be lost.</summary>
    private const ushort RouterSeconds = 1800;

    private readonly NatContext _nat;
    private readonly IVirtualTimer _timer;
    private bool _isAdvertising;
    private bool _wasWayOut; // guests may remember that it was one
    private bool _isWayOut;
    private long _routeKnownUntil = long.MinValue;

    public NeighbourService(NatContext nat)
    {
        _nat = nat;
        _timer = nat.Clock.CreateTimer(OnTimer);
    }

    /// <param name="station">Who sent the frame.</param>
    /// <param name="payload">Of the packet, which is ICMPv6.</param>
    public void OnMessage(in Ipv6Packet packet, MacAddress station, ReadOnlySpan<byte> payload)
    {
        if (!Icmpv6Message.IsSound(packet.Source, packet.Destination, payload)
            || !NeighbourMessage.TryParse(packet, payload, out NeighbourMessage message))
        {
            return;
        }

        bool isNameless = packet.Source.IsUnspecified; // its address is not its own yet
        InternetAddress asker = isNameless ? InternetAddress.AllNodes : packet.Source;
        switch (message.Type)
        {
            case Icmpv6Message.TypeRouterSolicitation:
                AdvertiseRouter(station, asker);
                StartAdvertising();
                break;
            case Icmpv6Message.TypeNeighbourSolicitation when _nat.Link.IsOwn(message.Target):
                AdvertiseNeighbour(station, asker, message.Target, isNameless);
                StartAdvertising();
                break;
            case Icmpv6Message.TypeNeighbourAdvertisement:
                _nat.Link.Learn(message.Target, message.LinkAddress ?? station);
                break;
            default:
                break; // a question for another station
        }
    }

    public void Dispose() => _timer.Dispose();

    private void AdvertiseNeighbour(MacAddress station, InternetAddress asker, InternetAddress target, bool isNameless)
    {
        uint flags = NeighbourMessage.FlagRouter | NeighbourMessage.FlagOverride | (isNameless ? 0 : NeighbourMessage.FlagSolicited);
        Span<byte> message = stackalloc byte[NeighbourMessage.Size];
        NeighbourMessage.Write(message, Icmpv6Message.TypeNeighbourAdvertisement, flags, target, GuestLink.Mac);
        _nat.Link.SendOnLink(station, asker, message);
    }

    private void AdvertiseRouter(MacAddress station, InternetAddress asker)
    {
        if (_nat.Options is not { Ipv6Network: { } network, Ipv6Dns: { } dns })
        {
            return;
        }

        if (_nat.Clock.Now >= _routeKnownUntil)
        {
            _isWayOut = _nat.Addresses.HasIpv6WayOut();
            _wasWayOut |= _isWayOut;
            _routeKnownUntil = _nat.Clock.Now + RouteNanoseconds;
        }

        ushort seconds = _isWayOut ? RouterSeconds : (ushort)0;
        RouterAdvertisement advertisement = new(
            GuestLink.Mac, _nat.Options.Mtu, network.Address, seconds, _wasWayOut ? dns : null, seconds);
        Span<byte> message = stackalloc byte[RouterAdvertisement.LargestSize];
        _nat.Link.SendOnLink(station, asker, message[..advertisement.Write(message)]);
    }

    private void StartAdvertising()
    {
        if (!_isAdvertising)
        {
            _isAdvertising = true;
            _timer.Arm(_nat.Clock.Now + IntervalNanoseconds);
        }
    }

    /// <summary>The clock's thread.</summary>
    private void OnTimer()
    {
        lock (_nat.Gate)
        {
            AdvertiseRouter(InternetAddress.AllNodes.GroupMac, InternetAddress.AllNodes);
            _timer.Arm(_nat.Clock.Now + IntervalNanoseconds);
        }
    }
}
