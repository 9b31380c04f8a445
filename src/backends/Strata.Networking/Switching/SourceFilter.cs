using Strata.Networking.Frames;

namespace Strata.Networking.Switching;

/// <summary>Keeps stations from sending in others' names.</summary>
internal sealed class SourceFilter(SwitchPortOptions options)
{
    private readonly HashSet<MacAddress> _macs = [.. options.AllowedMacs];
    private readonly Ipv4Network[] _ips = [.. options.AllowedIps];

    /// <param name="frame">Without a VLAN tag.</param>
    public bool Allows(in EthernetFrame frame) => AllowsMac(frame) && AllowsIp(frame);

    private bool AllowsMac(in EthernetFrame frame)
    {
        if (_macs.Count == 0)
        {
            return true;
        }

        // An ARP packet names its sender a second time: that has to be true as well.
        bool honest = frame.Type != EthernetFrame.TypeArp || (ArpPacket.TryParse(frame.Payload, out ArpPacket arp) && _macs.Contains(arp.SenderMac));
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
            EthernetFrame.TypeArp => ArpPacket.TryParse(frame.Payload, out ArpPacket arp) && (arp.SenderIp == Ipv4Address.Any || IsListed(arp.SenderIp)),
            EthernetFrame.TypeIpv4 => Ipv4Packet.TryParse(frame.Payload, out Ipv4Packet packet) && (IsListed(packet.Source) || IsDhcpRequest(packet)),
            _ => false,
        };
    }

    private bool IsListed(Ipv4Address address) => Array.Exists(_ips, network => network.Contains(address));

    private static bool IsDhcpRequest(in Ipv4Packet packet) =>
        packet.Source == Ipv4Address.Any && packet.Protocol == Ipv4Packet.ProtocolUdp && packet.Payload.Length >= UdpDatagram.HeaderSize
        && packet.Payload[..4].SequenceEqual((ReadOnlySpan<byte>)[0, 68, 0, 67]);
}
