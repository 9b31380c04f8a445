using Strata.Core.Networking;
using Strata.Core.Time;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>
/// The NAT's own station on the guests' Ethernet: wraps packets into frames, finds the guests' MAC addresses, cuts packets into
/// fragments. Everything under the network's gate.
/// </summary>
/// <param name="clock">For how long packets wait.</param>
internal sealed class GuestLink(UserNetworkOptions options, IVirtualClock clock)
{
    /// <summary>Bytes before a transport header, at most.</summary>
    public const int LargestHeaderSize = EthernetFrame.HeaderSize + InternetPacket.LargestHeaderSize;

    /// <summary>Addresses remembered; a guest that makes up more forgets its oldest.</summary>
    public const int MostNeighbours = 256;

    private readonly Dictionary<InternetAddress, MacAddress> _neighbours = [];
    private readonly Queue<InternetAddress> _order = new(); // of _neighbours, oldest first
    private readonly WaitingPackets _waiting = new(clock);
    private readonly byte[] _frame = new byte[EthernetFrame.HeaderSize + 0x10000];
    private IFrameReceiver? _receiver;
    private ushort _identification;

    /// <summary>The router's and name server's MAC address.</summary>
    public static MacAddress Mac => new(0x5255_0A00_0202);

    public UserNetworkOptions Options => options;

    /// <summary>Where forwarded ports lead that name no guest; null while there is none.</summary>
    public Ipv4Address? ForwardTarget { get; set; } = options.WaitsForGuest ? null : options.FirstGuest;

    /// <summary>What frames to the guest may leave undone.</summary>
    public FrameFeatures Accepts => _receiver?.Accepts ?? FrameFeatures.None;

    public int NeighbourCount => _neighbours.Count;

    /// <summary>Oldest first.</summary>
    public IEnumerable<(InternetAddress Address, MacAddress Station)> Neighbours =>
        _order.Select(address => (address, _neighbours[address]));

    /// <summary>Bytes before a transport header.</summary>
    public static int HeaderSize(InternetAddress guest) => EthernetFrame.HeaderSize + InternetPacket.HeaderSize(guest);

    public void Connect(IFrameReceiver receiver) => _receiver = receiver;

    /// <summary>Whether an address is the router's or the name server's.</summary>
    public bool IsOwn(InternetAddress address) => address.IsIpv4
        ? address == options.Gateway || address == options.Dns
        : address == InternetAddress.Router || address == options.Ipv6Gateway || address == options.Ipv6Dns;

    /// <summary>Whether a guest may have an address.</summary>
    public bool IsGuests(InternetAddress address) => !IsOwn(address)
        && (address.IsIpv4
            ? options.Network.Contains(address.Ipv4) && address != options.Network.BroadcastAddress
            : address.IsLinkLocal || options.Ipv6Network?.Contains(address) == true);

    /// <summary>The router's address for what it says itself to a guest.</summary>
    public InternetAddress RouterFor(InternetAddress guest) =>
        guest.IsIpv4 ? options.Gateway : guest.IsLinkLocal ? InternetAddress.Router : options.Ipv6Gateway ?? InternetAddress.Router;

    /// <summary>Remembers who sent a frame, and sends what waits for it. Only addresses that guests may have count.</summary>
    public void Learn(InternetAddress address, MacAddress mac)
    {
        Expect(address, mac);
        if (_waiting.IsEmpty || !_neighbours.ContainsKey(address))
        {
            return;
        }

        foreach (WaitingPacket packet in _waiting.Take(address))
        {
            SendPacket(mac, packet.Source, address, packet.Protocol, packet.Payload);
        }
    }

    /// <summary>
    /// Remembers who is going to have an address. What waits for it goes on waiting, as a guest takes nothing before it has the address
    /// that it is being given.
    /// </summary>
    public void Expect(InternetAddress address, MacAddress mac)
    {
        if (mac.IsGroup || !IsGuests(address))
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

    /// <summary>Forgets who sent frames.</summary>
    public void Forget()
    {
        _neighbours.Clear();
        _order.Clear();
        _waiting.Clear();
    }

    /// <summary>Writes Ethernet and IP headers for a guest.</summary>
    /// <param name="place"><see cref="HeaderSize"/> bytes.</param>
    /// <param name="length">Bytes of the IP payload.</param>
    /// <param name="asks">Whether a MAC address that is not known yet is asked for.</param>
    /// <returns>False if the guest's MAC address is not known yet.</returns>
    public bool TryWriteHeaders(
        Span<byte> place, InternetAddress source, InternetAddress destination, byte protocol, int length, bool asks)
    {
        if (!_neighbours.TryGetValue(destination, out MacAddress mac))
        {
            if (asks)
            {
                Ask(destination);
            }

            return false;
        }

        WriteEthernet(place, mac, destination);
        InternetPacket.WriteHeader(place[EthernetFrame.HeaderSize..], source, destination, protocol, length);
        return true;
    }

    /// <returns>False if the guest has no room now.</returns>
    public bool TrySend(ReadOnlySpan<byte> head, ReadOnlySpan<byte> payload, in FrameOffload offload) =>
        _receiver?.TryReceive(head, payload, offload) ?? true;

    /// <summary>
    /// Sends one packet, in fragments where it is larger than the MTU. Lost if the guest has no room. If its MAC address is not known yet,
    /// the packet waits a moment for the answer.
    /// </summary>
    public void SendPacket(InternetAddress source, InternetAddress destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        if (_neighbours.TryGetValue(destination, out MacAddress mac))
        {
            SendPacket(mac, source, destination, protocol, payload);
        }
        else if (IsGuests(destination))
        {
            _waiting.Add(source, destination, protocol, payload);
            Ask(destination);
        }
    }

    /// <summary>The same to a station by MAC address.</summary>
    public void SendPacket(
        MacAddress station, InternetAddress source, InternetAddress destination, byte protocol, ReadOnlySpan<byte> payload)
    {
        bool isWhole = payload.Length <= options.Mtu - InternetPacket.HeaderSize(destination);
        bool hasFragmentHeader = !isWhole && !destination.IsIpv4;
        int head = HeaderSize(destination) + (hasFragmentHeader ? Ipv6Packet.FragmentHeaderSize : 0);
        int most = options.Mtu + EthernetFrame.HeaderSize - head;
        _identification += isWhole ? (ushort)0 : (ushort)1;
        for (int offset = 0; ;)
        {
            int left = payload.Length - offset;
            bool more = left > most;
            int length = more ? most & ~7 : left;
            Span<byte> frame = _frame.AsSpan(0, head + length);
            Span<byte> packet = frame[EthernetFrame.HeaderSize..];
            WriteEthernet(frame, station, destination);
            if (destination.IsIpv4)
            {
                Ipv4Packet.WriteHeader(packet, source.Ipv4, destination.Ipv4, protocol, length, _identification, offset, more);
            }
            else if (hasFragmentHeader)
            {
                Ipv6Packet.WriteHeader(packet, source, destination, Ipv6Packet.ProtocolFragment, Ipv6Packet.FragmentHeaderSize + length);
                Ipv6Packet.WriteFragmentHeader(packet[Ipv6Packet.HeaderSize..], protocol, new Ipv6Fragment(_identification, offset, more));
            }
            else
            {
                Ipv6Packet.WriteHeader(packet, source, destination, protocol, length);
            }

            payload.Slice(offset, length).CopyTo(frame[head..]);
            TrySend(frame, [], FrameOffload.None);
            if (!more)
            {
                return;
            }

            offset += length;
        }
    }

    /// <summary>Sends a message of neighbour discovery, which has the router's link-local address and never leaves the link.</summary>
    /// <param name="message">The checksum is put in.</param>
    public void SendOnLink(MacAddress station, InternetAddress destination, Span<byte> message)
    {
        const int head = EthernetFrame.HeaderSize + Ipv6Packet.HeaderSize;
        Icmpv6Message.Sign(InternetAddress.Router, destination, message);
        Span<byte> frame = _frame.AsSpan(0, head + message.Length);
        WriteEthernet(frame, station, destination);
        Ipv6Packet.WriteHeader(
            frame[EthernetFrame.HeaderSize..], InternetAddress.Router, destination, Ipv6Packet.ProtocolIcmp, message.Length,
            Ipv6Packet.LinkHopLimit);
        message.CopyTo(frame[head..]);
        TrySend(frame, [], FrameOffload.None);
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

    private static void WriteEthernet(Span<byte> place, MacAddress station, InternetAddress destination) =>
        EthernetFrame.WriteHeader(place, station, Mac, destination.IsIpv4 ? EthernetFrame.TypeIpv4 : EthernetFrame.TypeIpv6);

    /// <summary>Asks who has an address.</summary>
    private void Ask(InternetAddress address)
    {
        if (!IsGuests(address))
        {
            return;
        }

        if (address.IsIpv4)
        {
            SendArp(new ArpPacket(ArpPacket.Request, Mac, options.Gateway, default, address.Ipv4), MacAddress.Broadcast);
            return;
        }

        Span<byte> message = stackalloc byte[NeighbourMessage.Size];
        NeighbourMessage.Write(message, Icmpv6Message.TypeNeighbourSolicitation, flags: 0, address, Mac);
        InternetAddress group = address.SolicitedNode;
        SendOnLink(group.GroupMac, group, message);
    }

    private void SendArp(ArpPacket packet, MacAddress destination)
    {
        Span<byte> frame = stackalloc byte[EthernetFrame.HeaderSize + ArpPacket.Size];
        EthernetFrame.WriteHeader(frame, destination, Mac, EthernetFrame.TypeArp);
        packet.Write(frame[EthernetFrame.HeaderSize..]);
        TrySend(frame, [], FrameOffload.None);
    }
}
