using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>Keeps stations from sending in others' names.</summary>
internal sealed class SourceFilter(SwitchPortOptions options)
{
    private readonly HashSet<MacAddress> _macs = [.. options.AllowedMacs];
    private readonly InternetNetwork[] _ips = [.. options.AllowedIps];

    /// <param name="frame">Without a VLAN tag.</param>
    public bool Allows(in EthernetFrame frame) => AllowsMac(frame) && AllowsIp(frame);

    private bool AllowsMac(in EthernetFrame frame)
    {
        if (_macs.Count == 0)
        {
            return true;
        }

        // ARP and neighbour discovery name their sender a second time: that has to be true as well.
        bool honest = frame.Type switch
        {
            EthernetFrame.TypeArp => ArpPacket.TryParse(frame.Payload, out ArpPacket arp) && _macs.Contains(arp.SenderMac),
            EthernetFrame.TypeIpv6 => Ipv6Packet.TryParse(frame.Payload, out Ipv6Packet packet) && NamesItself(packet),
            _ => true,
        };
        return honest && _macs.Contains(frame.Source);
    }

    private bool AllowsIp(in EthernetFrame frame)
    {
        if (_ips.Length == 0)
        {
            return true;
        }

        return frame.Type switch
        {
            EthernetFrame.TypeArp =>
                ArpPacket.TryParse(frame.Payload, out ArpPacket arp) && (arp.SenderIp == Ipv4Address.Any || IsListed(arp.SenderIp)),
            EthernetFrame.TypeIpv4 =>
                Ipv4Packet.TryParse(frame.Payload, out Ipv4Packet packet) && (IsListed(packet.Source) || IsDhcpRequest(packet)),
            EthernetFrame.TypeIpv6 => Ipv6Packet.TryParse(frame.Payload, out Ipv6Packet packet) && AllowsIpv6(packet),
            _ => false,
        };
    }

    /// <summary>
    /// Whether a packet tells the truth about who sent it, whose address it advertises, and that it is no router (RFC 6105, "RA-Guard").
    /// What is said of neighbours in fragments, where it could hide, is passed over by every host (RFC 6980).
    /// </summary>
    private bool AllowsIpv6(in Ipv6Packet packet)
    {
        bool isNameless = packet.Source.IsUnspecified;
        if (!isNameless && !IsListed(packet.Source))
        {
            return false;
        }

        if (packet.Protocol != Ipv6Packet.ProtocolIcmp || packet.Payload.IsEmpty || packet.Fragment is { Offset: not 0 })
        {
            return !isNameless;
        }

        return packet.Payload[0] switch
        {
            Icmpv6Message.TypeRouterAdvertisement or Icmpv6Message.TypeRedirect => false,
            Icmpv6Message.TypeNeighbourAdvertisement =>
                NeighbourMessage.TryParse(packet, packet.Payload, out NeighbourMessage told) && IsListed(told.Target),
            Icmpv6Message.TypeNeighbourSolicitation => NeighbourMessage.TryParse(packet, packet.Payload, out NeighbourMessage asked)
                && (!isNameless || IsListed(asked.Target)),
            Icmpv6Message.TypeRouterSolicitation or Icmpv6Message.TypeListenerReport => true,
            _ => !isNameless,
        };
    }

    private bool NamesItself(in Ipv6Packet packet) =>
        packet.Protocol != Ipv6Packet.ProtocolIcmp || !NeighbourMessage.TryParse(packet, packet.Payload, out NeighbourMessage message)
        || message.LinkAddress is not { } station || _macs.Contains(station);

    private bool IsListed(InternetAddress address) => Array.Exists(_ips, network => network.Contains(address));

    private static bool IsDhcpRequest(in Ipv4Packet packet) =>
        packet.Source == Ipv4Address.Any && packet.Protocol == Ipv4Packet.ProtocolUdp && packet.Payload.Length >= UdpDatagram.HeaderSize
        && packet.Payload[..4].SequenceEqual((ReadOnlySpan<byte>)[0, 68, 0, 67]);
}
