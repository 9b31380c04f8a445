using System.Net;
using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Frames;
using Strata.Networking.Sockets;
using Strata.Networking.Tcp;

namespace Strata.Networking.Nat;

/// <summary>
/// A network for guests that needs no privileges: this is their router, DHCP server and name server, and ends their TCP and UDP in
/// ordinary sockets of the host, over IPv4 and IPv6. One guest or, behind a switch, several.
/// <para>One lock guards everything. It is held while frames come in (a card's thread), while sockets are served (one thread of its
/// own) and while timers fire (the clock's thread); no call under it waits.</para>
/// </summary>
public sealed partial class UserNetwork : INetworkBackend
{
    private readonly Lock _gate = new();
    private readonly UserNetworkOptions _options;
    private readonly GuestLink _link;
    private readonly DhcpServer _dhcp;
    private readonly NameService _names;
    private readonly NeighbourService _neighbours;
    private readonly PacketSorter _packets;
    private readonly PingService _pings;
    private readonly UdpService _udp;
    private readonly TcpService _tcp;
    private readonly TftpServer? _tftp;
    private readonly SocketPoller _poller;
    private readonly FragmentAssembler _heldFragments; // of forwarded ports' answers, where the router is elsewhere
    private bool _disposed; // under _gate

    /// <param name="clock">For retransmissions and idle conversations.</param>
    /// <exception cref="IOException">A port cannot be forwarded, or there is no folder for TFTP; the message says why.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public UserNetwork(UserNetworkOptions options, IVirtualClock clock)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        options.Check();
        _options = options;
        _link = new GuestLink(options, clock);
        _dhcp = new DhcpServer(_link);
        _names = new NameService(_dhcp);
        _poller = new SocketPoller(_gate, "strata-nat");
        NatContext context = new(_gate, options, clock, _poller, _link, new IcmpService(_link, clock), new HostAddresses(options));
        _neighbours = new NeighbourService(context);
        _heldFragments = new FragmentAssembler(clock);
        _pings = new PingService(context);
        _udp = new UdpService(context);
        _tcp = new TcpService(context);
        _tftp = options.TftpFolder is { } folder ? new TftpServer(context, folder) : null;
        _packets = new PacketSorter(context, _dhcp, _names, _neighbours, _pings, _udp, _tcp, _tftp);
        try
        {
            ForwardedPorts = Listen(options.Forwards);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public FrameFeatures Accepts => FrameFeatures.PartialChecksum | FrameFeatures.Tcp4Segmentation | FrameFeatures.Tcp6Segmentation;

    /// <summary>TCP connections now.</summary>
    public int ConnectionCount => Locked(() => _tcp.ConnectionCount);

    /// <summary>UDP conversations now.</summary>
    public int UdpFlowCount => Locked(() => _udp.FlowCount);

    /// <summary>Bytes that connections buffer now.</summary>
    public long BufferedBytes => Locked(() => _tcp.Budget.Used);

    /// <summary>DHCP leases, guests whose MAC address is known and packets that wait for fragments.</summary>
    internal (int Leases, int Neighbours, int Fragments, int Pings) TableSizes =>
        Locked(() => (_dhcp.LeaseCount, _link.NeighbourCount, _packets.FragmentCount, _pings.FlowCount));

    /// <summary>Files on their way to guests by TFTP.</summary>
    internal int TftpTransferCount => Locked(() => _tftp?.TransferCount ?? 0);

    /// <summary>The ports that lead into guests, in the order of <see cref="UserNetworkOptions.Forwards"/>.</summary>
    public IReadOnlyList<ForwardedPort> ForwardedPorts { get; }

    /// <summary>Where a forwarded port listens: of use when the host chose its number. Null for one that is not forwarded.</summary>
    public IPEndPoint? ListenEndPoint(PortForward forward) => ForwardedPorts.FirstOrDefault(port => port.Forward == forward)?.HostEndPoint;

    /// <summary>Gives a station a name that others can look up.</summary>
    /// <param name="address">What the station has from an earlier DHCP server of the network: it is kept for it if it is free. Or
    /// null.</param>
    internal void AddStation(MacAddress station, string name, Ipv4Address? address)
    {
        lock (_gate)
        {
            _names.Add(name, station);
            if (address is { } known)
            {
                _dhcp.TryReserve(station, known);
            }
        }
    }

    /// <summary>A station has gone; its address remains its own.</summary>
    internal void RemoveStation(MacAddress station)
    {
        lock (_gate)
        {
            _names.Remove(station);
        }
    }

    /// <summary>The address that a station was given, or null.</summary>
    internal Ipv4Address? FindLease(MacAddress station) => Locked(() => _dhcp.Find(station));

    /// <summary>Tells a network that waits for its guest who that is.</summary>
    internal void SetGuest(Ipv4Address address, MacAddress station)
    {
        lock (_gate)
        {
            if (_options.Network.Contains(address))
            {
                _link.Learn(address, station);
                _link.ForwardTarget = address;
            }
        }
    }

    /// <summary>
    /// Takes a guest's frame if it belongs to a forwarded port's conversation, for a guest whose router is elsewhere. Fragments are taken
    /// until all are there, as only the first one tells whose they are.
    /// </summary>
    /// <param name="release">Frames that were taken earlier and turn out to be for others.</param>
    /// <returns>False for a frame that is for others.</returns>
    internal bool TryTakeForwarded(
        ReadOnlySpan<byte> frame, in EthernetFrame ethernet, in FrameOffload offload, out IReadOnlyList<byte[]> release)
    {
        release = [];
        lock (_gate)
        {
            if (_disposed || _tcp.ConnectionCount + _udp.FlowCount == 0)
            {
                return false;
            }

            if (ethernet.Type == EthernetFrame.TypeArp)
            {
                _link.OnArp(ethernet); // the router answers the same, if it is there just now
                return false;
            }

            if (ethernet.Type != EthernetFrame.TypeIpv4 || ethernet.Destination != GuestLink.Mac
                || !Ipv4Packet.TryParse(ethernet.Payload, out Ipv4Packet packet) || packet.Destination != _options.Gateway)
            {
                return false;
            }

            if (packet.IsFragment)
            {
                return TryTakeFragment(frame, packet, out release);
            }

            bool trusted = offload.NeedsChecksum;
            return packet.Protocol switch
            {
                Ipv4Packet.ProtocolTcp =>
                    TcpSegment.TryParse(packet.Source, packet.Destination, packet.Payload, trusted, out TcpSegment segment)
                    && _tcp.TryTake(packet, segment),
                Ipv4Packet.ProtocolUdp =>
                    UdpDatagram.TryParse(packet.Source, packet.Destination, packet.Payload, trusted, out UdpDatagram datagram)
                    && _udp.TryTake(packet, datagram),
                _ => false,
            };
        }
    }

    public void Connect(IFrameReceiver receiver)
    {
        lock (_gate)
        {
            _link.Connect(receiver);
        }
    }

    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        lock (_gate)
        {
            if (_disposed || !EthernetFrame.TryParse(frame, out EthernetFrame ethernet) || ethernet.Source.IsGroup
                || (ethernet.Destination != GuestLink.Mac && !ethernet.Destination.IsGroup))
            {
                return;
            }

            _packets.OnFrame(ethernet, offload);
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _tcp.Resume();
        }
    }

    /// <summary>Ends every connection; hosts and guests see them reset.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            _tcp.Dispose();
            _udp.Dispose();
            _pings.Dispose();
            _neighbours.Dispose();
            _tftp?.Dispose();
        }

        _poller.Dispose();
    }

    private bool TryTakeFragment(ReadOnlySpan<byte> frame, in Ipv4Packet packet, out IReadOnlyList<byte[]> release)
    {
        release = [];
        if (packet.Protocol != Ipv4Packet.ProtocolUdp || _udp.FlowCount == 0)
        {
            return false;
        }

        FragmentKey key = new(packet.Source, packet.Destination, packet.Identification, packet.Protocol);
        if (_heldFragments.Add(key, packet.FragmentOffset, packet.HasMoreFragments, packet.Payload, frame) is { } whole
            && !(UdpDatagram.TryParse(
                packet.Source, packet.Destination, whole.Payload, trusted: false,
                out UdpDatagram datagram) && _udp.TryTake(packet, datagram)))
        {
            release = whole.Frames;
        }

        return true;
    }

    private ForwardedPort[] Listen(IReadOnlyList<PortForward> forwards)
    {
        lock (_gate)
        {
            return [.. forwards.Select(forward => new ForwardedPort(
                forward, forward.Protocol == TransportProtocol.Tcp ? _tcp.Listen(forward) : _udp.Listen(forward)))];
        }
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_gate)
        {
            return read();
        }
    }
}
