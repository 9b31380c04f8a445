using Strata.Core.Networking;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// The NAT's own station on the guests' Ethernet: wraps packets into frames, finds the guests' MAC addresses, cuts packets into
/// fragments. Everything under the network's gate.
/// </summary>
internal sealed class GuestLink(UserNetworkOptions options)
{
    /// <summary>Bytes before a transport header.</summary>
    public const int HeaderSize = EthernetFrame.HeaderSize + Ipv4Packet.HeaderSize;

    /// <summary>Stations remembered; a guest that makes up more forgets its oldest.</summary>
    private const int MostNeighbours = 256;

    private readonly Dictionary<Ipv4Address, MacAddress> _neighbours = [];
    private readonly Queue<Ipv4Address> _order = new(); // of _neighbours, oldest first
    private readonly byte[] _frame = new byte[EthernetFrame.HeaderSize + 0x10000];
    private IFrameReceiver? _receiver;
    private ushort _identification;

    /// <summary>The gateway's and name server's MAC address.</summary>
    public static MacAddress Mac => new(0x5255_0A00_0202);

    public UserNetworkOptions Options => options;

    /// <summary>Where forwarded ports lead that name no guest; null while there is none.</summary>
    public Ipv4Address? ForwardTarget { get; set; } = options.WaitsForGuest ? null : options.FirstGuest;

    /// <summary>What frames to the guest may leave undone.</summary>
    public FrameFeatures Accepts => _receiver?.Accepts ?? FrameFeatures.None;

    public int NeighbourCount => _neighbours.Count;

    public void Connect(IFrameReceiver receiver) => _receiver = receiver;

    /// <summary>Remembers who sent a frame. Only addresses of the guests' network count.</summary>
    public void Learn(Ipv4Address address, MacAddress mac)
    {
        if (mac.IsGroup || !options.Network.Contains(address) || address == options.Gateway || address == options.Dns
            || address == options.Network.BroadcastAddress)
        {
            return;
        }

        if (!_neighbours.TryAdd(address, mac))
        {
            _neighbours[address] = mac;
            return;
        }

        _order.Enqueue(address);
        if (_order.Count > MostNeighbours)
        {
            _neighbours.Remove(_order.Dequeue());
        }
    }

    /// <summary>Writes Ethernet and IPv4 headers for a guest.</summary>
    /// <param name="place"><see cref="HeaderSize"/> bytes.</param>
    /// <param name="length">Bytes of the IPv4 payload.</param>
    /// <returns>False if the guest's MAC address is not known yet; it is asked for.</returns>
    public bool TryWriteHeaders(Span<byte> place, Ipv4Address source, Ipv4Address destination, byte protocol, int length)
    {
        if (!_neighbours.TryGetValue(destination, out MacAddress mac))
        {
            Ask(destination);
            return false;
        }

        EthernetFrame.WriteHeader(place, mac, Mac, EthernetFrame.TypeIpv4);
        Ipv4Packet.WriteHeader(place[EthernetFrame.HeaderSize..], source, destination, protocol, length);
        return true;
    }

    /// <returns>False if the guest has no room now.</returns>
    public bool TrySend(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload) =>
        _receiver?.TryReceive(head, payload, offload) ?? true;

    /// <summary>Sends one packet, in fragments where it is larger than the MTU. Lost if the guest has no room.</summary>
    public void SendPacket(Ipv4Address source, Ipv4Address destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        if (_neighbours.TryGetValue(destination, out MacAddress mac))
        {
            SendPacket(mac, source, destination, protocol, payload);
        }
        else
        {
            Ask(destination);
        }
    }

    /// <summary>The same to a station by MAC address.</summary>
    public void SendPacket(MacAddress station, Ipv4Address source, Ipv4Address destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        int most = (options.Mtu - Ipv4Packet.HeaderSize) & ~7;
        if (payload.Length > options.Mtu - Ipv4Packet.HeaderSize)
        {
            _identification++;
        }

        for (int offset = 0; ;)
        {
            int left = payload.Length - offset;
            bool more = left > options.Mtu - Ipv4Packet.HeaderSize;
            int length = more ? most : left;
            Span<byte> frame = _frame.AsSpan(0, HeaderSize + length);
            EthernetFrame.WriteHeader(frame, station, Mac, EthernetFrame.TypeIpv4);
            Ipv4Packet.WriteHeader(frame[EthernetFrame.HeaderSize..], source, destination, protocol, length, _identification, offset, more);
            payload.Slice(offset, length).CopyTo(frame[HeaderSize..]);
            TrySend(frame, [], FrameOffload.None);
            if (!more)
            {
                return;
            }

            offset += length;
        }
    }

    /// <summary>Answers who-has for the gateway and the name server.</summary>
    public void OnArp(in EthernetFrame frame)
    {
        if (!ArpPacket.TryParse(frame.Payload, out ArpPacket packet))
        {
            return;
        }

        Learn(packet.SenderIp, packet.SenderMac);
        if (packet.Operation == ArpPacket.Request && (packet.TargetIp == options.Gateway || packet.TargetIp == options.Dns)
            && !packet.SenderMac.IsGroup)
        {
            SendArp(new ArpPacket(ArpPacket.Reply, Mac, packet.TargetIp, packet.SenderMac, packet.SenderIp), packet.SenderMac);
        }
    }

    private void Ask(Ipv4Address address)
    {
        if (options.Network.Contains(address))
        {
            SendArp(new ArpPacket(ArpPacket.Request, Mac, options.Gateway, default, address), MacAddress.Broadcast);
        }
    }

    private void SendArp(ArpPacket packet, MacAddress destination)
    {
        Span<byte> frame = stackalloc byte[EthernetFrame.HeaderSize + ArpPacket.Size];
        EthernetFrame.WriteHeader(frame, destination, Mac, EthernetFrame.TypeArp);
        packet.Write(frame[EthernetFrame.HeaderSize..]);
        TrySend(frame, [], FrameOffload.None);
    }
}
