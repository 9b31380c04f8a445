using Strata.Core.Networking;
using Strata.Networking.Frames;
using Strata.Networking.Tcp;

namespace Strata.Networking.Nat;

/// <summary>Hands each packet from a guest to the service that it is for. Under the network's gate.</summary>
internal sealed class PacketSorter(
    NatContext nat, DhcpServer dhcp, NameService names, NeighbourService neighbours, PingService pings, UdpService udp, TcpService tcp,
    TftpServer? tftp)
{
    private readonly FragmentAssembler _fragments = new(nat.Clock);

    public int FragmentCount => _fragments.Count;

    public void OnFrame(in EthernetFrame frame, in FrameOffload offload)
    {
        switch (frame.Type)
        {
            case EthernetFrame.TypeArp:
                nat.Link.OnArp(frame);
                break;
            case EthernetFrame.TypeIpv4:
                OnIpv4(frame, offload);
                break;
            case EthernetFrame.TypeIpv6 when nat.Options.Ipv6Network is not null:
                OnIpv6(frame, offload);
                break;
            default:
                break; // no other protocol is served
        }
    }

    private void OnIpv4(in EthernetFrame ethernet, in FrameOffload offload)
    {
        if (!Ipv4Packet.TryParse(ethernet.Payload, out Ipv4Packet packet))
        {
            return;
        }

        if (packet.Source != Ipv4Address.Any)
        {
            if (!nat.Options.Network.Contains(packet.Source))
            {
                return; // a source that is not this network's: no answer could find its way
            }

            nat.Link.Learn(packet.Source, ethernet.Source);
        }

        GuestPacket whole = new(packet.Source, packet.Destination, packet.Protocol, packet.Bytes);
        if (!packet.IsFragment)
        {
            Deliver(whole, packet.Payload, offload.NeedsChecksum);
            return;
        }

        FragmentKey key = new(packet.Source, packet.Destination, packet.Identification, packet.Protocol);
        if (_fragments.Add(key, packet.FragmentOffset, packet.HasMoreFragments, packet.Payload) is { } payload)
        {
            Deliver(whole, payload, trusted: false);
        }
    }

    private void OnIpv6(in EthernetFrame ethernet, in FrameOffload offload)
    {
        if (!Ipv6Packet.TryParse(ethernet.Payload, out Ipv6Packet packet))
        {
            return;
        }

        if (!packet.Source.IsUnspecified)
        {
            if (!nat.Link.IsGuests(packet.Source))
            {
                return;
            }

            nat.Link.Learn(packet.Source, ethernet.Source);
        }

        if (packet.IsPartial && packet.Fragment is { } fragment)
        {
            FragmentKey key = new(packet.Source, packet.Destination, fragment.Identification, packet.Protocol);
            byte protocol = packet.Protocol;
            int at = 0;
            if (_fragments.Add(key, fragment.Offset, fragment.HasMore, packet.Payload) is { } payload
                && Ipv6Packet.TrySkipRest(payload, ref at, ref protocol))
            {
                Deliver(new GuestPacket(packet.Source, packet.Destination, protocol, packet.Bytes), payload.AsSpan(at), trusted: false);
            }

            return;
        }

        if (packet.Protocol == Ipv6Packet.ProtocolIcmp)
        {
            neighbours.OnMessage(packet, ethernet.Source, packet.Payload);
        }

        Deliver(new GuestPacket(packet.Source, packet.Destination, packet.Protocol, packet.Bytes), packet.Payload, offload.NeedsChecksum);
    }

    /// <param name="trusted">The sender left the checksum out.</param>
    private void Deliver(in GuestPacket packet, ReadOnlySpan<byte> payload, bool trusted)
    {
        bool hasSource = !packet.Source.IsUnspecified;
        switch (packet.Protocol)
        {
            case Ipv4Packet.ProtocolIcmp or Ipv6Packet.ProtocolIcmp
                when hasSource
                    && packet.Protocol == InternetPacket.ProtocolIcmp(packet.Source)
                    && IcmpService.IsEchoRequest(packet, payload):
                if (nat.Icmp.IsLocal(packet.Destination))
                {
                    nat.Icmp.Answer(packet, payload);
                }
                else if (!packet.Destination.IsMulticast)
                {
                    pings.OnRequest(packet, payload);
                }

                break;
            case Ipv4Packet.ProtocolUdp when UdpDatagram.TryParse(
                packet.Source, packet.Destination, payload, trusted, out UdpDatagram datagram):
                if (datagram.DestinationPort == DhcpServer.ServerPort
                    && (packet.Destination == Ipv4Address.Broadcast || packet.Destination == nat.Options.Gateway))
                {
                    dhcp.OnMessage(datagram.Data);
                }
                else if (hasSource && !AnswersName(packet, datagram) && tftp?.TryTake(packet, datagram) != true)
                {
                    udp.OnDatagram(packet, datagram);
                }

                break;
            case Ipv4Packet.ProtocolTcp when hasSource
                && TcpSegment.TryParse(packet.Source, packet.Destination, payload, trusted, out TcpSegment segment):
                tcp.OnSegment(packet, segment);
                break;
            default:
                break;
        }
    }

    /// <summary>Whether a datagram asked for the name of a station, which is then answered.</summary>
    private bool AnswersName(in GuestPacket packet, in UdpDatagram question)
    {
        const int dnsPort = 53;
        Span<byte> reply = stackalloc byte[NameService.LargestReply];
        bool isForUs = packet.Destination == nat.Options.Dns || packet.Destination == nat.Options.Ipv6Dns;
        if (!isForUs || question.DestinationPort != dnsPort || !names.TryAnswer(question.Data, reply, out int length))
        {
            return false;
        }

        Span<byte> datagram = stackalloc byte[UdpDatagram.HeaderSize + NameService.LargestReply];
        datagram = datagram[..(UdpDatagram.HeaderSize + length)];
        UdpDatagram.Write(datagram, packet.Destination, packet.Source, dnsPort, question.SourcePort, reply[..length]);
        nat.Link.SendPacket(packet.Destination, packet.Source, Ipv4Packet.ProtocolUdp, datagram);
        return true;
    }
}
