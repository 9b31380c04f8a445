using System.Net;
using Strata.Core.Networking;
using Strata.Core.State;
using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// Leads ports of the host into the guest of a card whose network, a switch with the router in another process, does not. It stands
/// between the two: callers appear to the guest as that router, and what the guest answers them goes no further. So forwarded
/// connections depend on nobody but the machine's own process.
/// <para>The guest's address is the one that a DHCP server of the network gives it, or from which it sends; until it has one, callers are
/// hung up on. Safe on any thread.</para>
/// </summary>
public sealed class PortForwarder : INetworkBackend, IFrameReceiver
{
    private readonly MacAddress _station;
    private readonly UserNetwork _forwards;
    private IFrameReceiver? _receiver; // written once, before the first frame
    private volatile uint _guest; // its address; zero while it has none

    /// <param name="network">What the card is plugged into; its router has the addresses of <see cref="UserNetworkOptions"/>. Disposed with
    /// this.</param>
    /// <param name="station">The card.</param>
    /// <exception cref="IOException">A port cannot be forwarded; the message says why.</exception>
    public PortForwarder(INetworkBackend network, MacAddress station, IReadOnlyList<PortForward> forwards, IVirtualClock clock)
    {
        Network = network;
        _station = station;
        _forwards = new UserNetwork(new UserNetworkOptions { Forwards = forwards, WaitsForGuest = true }, clock);
    }

    public INetworkBackend Network { get; }

    FrameFeatures INetworkBackend.Accepts => Network.Accepts;

    FrameFeatures IFrameReceiver.Accepts => _receiver?.Accepts ?? FrameFeatures.None;

    /// <summary>The ports that lead into the guest, in the order in which they were given.</summary>
    public IReadOnlyList<ForwardedPort> ForwardedPorts => _forwards.ForwardedPorts;

    /// <inheritdoc cref="UserNetwork.ListenEndPoint"/>
    public IPEndPoint? ListenEndPoint(PortForward forward) => _forwards.ListenEndPoint(forward);

    public void Connect(IFrameReceiver receiver)
    {
        _receiver = receiver;
        _forwards.Connect(receiver);
        Network.Connect(this);
    }

    /// <summary>From the guest.</summary>
    public void Send(ReadOnlySpan<byte> frame, in FrameOffload offload)
    {
        if (EthernetFrame.TryParse(frame, out EthernetFrame ethernet) && ethernet.Source == _station)
        {
            if (ethernet.Type == EthernetFrame.TypeIpv4 && Ipv4Packet.TryParse(ethernet.Payload, out Ipv4Packet packet))
            {
                Learn(packet.Source);
            }

            if (_forwards.TryTakeForwarded(frame, ethernet, offload, out IReadOnlyList<byte[]> release))
            {
                foreach (byte[] held in release)
                {
                    Network.Send(held, FrameOffload.None); // a fragment's checksum is never left out
                }

                return;
            }
        }

        Network.Send(frame, offload);
    }

    /// <summary>From the network.</summary>
    public bool TryReceive(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload)
    {
        if (payload.IsEmpty && FindGrant(head, offload.NeedsChecksum) is { } address)
        {
            Learn(address);
        }

        return _receiver?.TryReceive(head, payload, offload) ?? true;
    }

    public void SetCarrier(bool up) => _receiver?.SetCarrier(up);

    public void Resume()
    {
        _forwards.Resume();
        Network.Resume();
    }

    public IReadOnlyList<IUnit> GetUnits(string name) => [.. _forwards.GetUnits($"{name}-forwards"), .. Network.GetUnits(name)];

    public void Dispose()
    {
        _forwards.Dispose();
        Network.Dispose();
    }

    private void Learn(Ipv4Address address)
    {
        if (address.Value != _guest && address != Ipv4Address.Any)
        {
            _guest = address.Value;
            _forwards.SetGuest(address, _station);
        }
    }

    private Ipv4Address? FindGrant(ReadOnlySpan<byte> frame, bool trusted) =>
        EthernetFrame.TryParse(frame, out EthernetFrame ethernet) && ethernet.Type == EthernetFrame.TypeIpv4
        && Ipv4Packet.TryParse(ethernet.Payload, out Ipv4Packet packet) && packet.Protocol == Ipv4Packet.ProtocolUdp && !packet.IsFragment
        && UdpDatagram.TryParse(packet.Source, packet.Destination, packet.Payload, trusted, out UdpDatagram datagram)
        && datagram.SourcePort == DhcpServer.ServerPort && datagram.DestinationPort == DhcpServer.ClientPort
            ? DhcpServer.FindGrant(datagram.Data, _station)
            : null;
}
