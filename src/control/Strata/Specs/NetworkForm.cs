using System.Net;
using Strata.Machines.Boards;
using Strata.Networking.Frames;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;
using Strata.Networking.Switching;
using static Strata.Specs.SpecKinds;

namespace Strata.Specs;

/// <summary>The form of network cards in a machine specification.</summary>
internal static class NetworkForm
{
    private const int MostForwards = 1024;
    private const int MostRules = 1024;

    private static readonly NumberKind<int> Port = new(0, ushort.MaxValue);

    private static readonly TextKind<MacAddress> Mac = new(
        "an Ethernet address such as \"52:54:00:12:34:56\"", MacAddress.TryParse, mac => mac.ToString());

    private static readonly TextKind<Ipv4Address> Ipv4 = new("an IPv4 address", Ipv4Address.TryParse, address => address.ToString());

    private static readonly TextKind<Ipv4Network> Network = new(
        "an IPv4 network such as \"10.0.2.0/24\"", Ipv4Network.TryParse, network => network.ToString());

    private static readonly TextKind<InternetNetwork> AnyNetwork = new(
        "a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"", InternetNetwork.TryParse, network => network.ToString());

    private static readonly TextKind<IPAddress> Address = new("an IP address", IPAddress.TryParse, address => address.ToString());

    private static readonly TextKind<IPEndPoint> EndPoint = new(
        "an IP address with a port, such as \"127.0.0.1:53\"", IPEndPoint.TryParse, endPoint => endPoint.ToString());

    private static readonly SpecRecord<PortForward> Forward = new(
        "a forwarded port",
        () => new PortForward(TransportProtocol.Tcp, IPAddress.Loopback, 0, 0),
        NetworkCard.ParseForward,
        "[udp:][ADDRESS:]HOSTPORT:GUESTPORT")
    {
        {
            "protocol", new ChoiceKind<TransportProtocol>((TransportProtocol.Tcp, "tcp"), (TransportProtocol.Udp, "udp")),
            f => f.Protocol, (f, v) => f with { Protocol = v }, "The protocol."
        },
        { "hostAddress", Address, f => f.HostAddress, (f, v) => f with { HostAddress = v }, "Address of the host to listen on." },
        { "hostPort", Port, f => f.HostPort, (f, v) => f with { HostPort = v }, "Port of the host; 0 lets it choose one." },
        {
            "guestPort", new NumberKind<int>(1, ushort.MaxValue),
            f => f.GuestPort, (f, v) => f with { GuestPort = v },
            "Port of the guest.", true
        },
        { "guest", OptionalValue(Ipv4), f => f.Guest, (f, v) => f with { Guest = v }, "The guest's address; null for the first guest's." },
    };

    private static readonly SpecRecord<EgressRule> Rule = new(
        "a rule", () => new EgressRule(Allow: false, null), NetworkCard.ParseRule, "allow=CIDR[:PORT[-PORT]] or deny=CIDR[:PORT[-PORT]]")
    {
        { "allow", Flag, r => r.Allow, (r, v) => r with { Allow = v }, "Let through, or refuse.", true },
        { "destination", OptionalValue(AnyNetwork), r => r.Destination, (r, v) => r with { Destination = v }, "Addresses; null for all." },
        { "firstPort", Port, r => r.FirstPort, (r, v) => r with { FirstPort = v }, "First port." },
        { "lastPort", Port, r => r.LastPort, (r, v) => r with { LastPort = v }, "Last port." },
    };

    private static readonly SpecRecord<EgressPolicy> Egress = new("a policy", () => EgressPolicy.AllowAll)
    {
        {
            "rules", new ListKind<EgressRule>(Rule, MostRules),
            p => p.Rules, (p, v) => p with { Rules = v },
            "The first that covers a destination decides."
        },
        { "allowOthers", Flag, p => p.AllowOthers, (p, v) => p with { AllowOthers = v }, "What happens to destinations without a rule." },
    };

    private static readonly SpecRecord<UserNetworkOptions> UserNetwork = new("a user network", () => new UserNetworkOptions())
    {
        { "network", Network, o => o.Network, (o, v) => o with { Network = v }, "The guests' network." },
        { "gateway", Ipv4, o => o.Gateway, (o, v) => o with { Gateway = v }, "The router, which stands for the host." },
        { "dns", Ipv4, o => o.Dns, (o, v) => o with { Dns = v }, "The name server." },
        { "firstGuest", Ipv4, o => o.FirstGuest, (o, v) => o with { FirstGuest = v }, "Address of the first guest." },
        {
            "ipv6Network", OptionalValue(AnyNetwork),
            o => o.Ipv6Network, (o, v) => o with { Ipv6Network = v },
            "The guests' IPv6 network, a /64; null for none."
        },
        {
            "hasIpv6WayOut", OptionalValue(Flag),
            o => o.HasIpv6WayOut, (o, v) => o with { HasIpv6WayOut = v },
            "Whether the router leads to the IPv6 Internet; null asks the host."
        },
        {
            "resolver", Optional(EndPoint),
            o => o.Resolver, (o, v) => o with { Resolver = v },
            "The host's name server; null for that of /etc/resolv.conf."
        },
        {
            "forwards", new ListKind<PortForward>(Forward, MostForwards),
            o => o.Forwards, (o, v) => o with { Forwards = v },
            "Ports of the host that lead into the guest."
        },
        {
            "tftpFolder", OptionalPath,
            o => o.TftpFolder, (o, v) => o with { TftpFolder = v },
            "Folder of the host whose files guests can fetch by TFTP; null for none."
        },
        { "bootFile", OptionalText, o => o.BootFile, (o, v) => o with { BootFile = v }, "The file to start from that DHCP names." },
        { "egress", Egress, o => o.Egress, (o, v) => o with { Egress = v }, "Where guests may connect to." },
        {
            "maxConnections", new NumberKind<int>(1, 65_536),
            o => o.MaxConnections, (o, v) => o with { MaxConnections = v },
            "Most TCP connections at a time."
        },
        {
            "maxUdpFlows", new NumberKind<int>(1, 65_536),
            o => o.MaxUdpFlows, (o, v) => o with { MaxUdpFlows = v },
            "Most UDP conversations at a time."
        },
        {
            "maxBufferedBytes", new SizeKind(64 << 10, 1L << 40),
            o => o.MaxBufferedBytes, (o, v) => o with { MaxBufferedBytes = v },
            "Most bytes that all connections buffer together."
        },
        { "mtu", new NumberKind<int>(576, ushort.MaxValue), o => o.Mtu, (o, v) => o with { Mtu = v }, "Bytes of the largest packet." },
    };

    private static readonly SpecRecord<LinkConditions> Conditions = new("a cable", () => new LinkConditions())
    {
        { "delay", Duration, c => c.Delay, (c, v) => c with { Delay = v }, "How long each frame travels." },
        { "loss", new NumberKind<double>(0, 1), c => c.Loss, (c, v) => c with { Loss = v }, "The share of frames that is lost." },
        { "seed", new NumberKind<int>(int.MinValue, int.MaxValue), c => c.Seed, (c, v) => c with { Seed = v }, "Which frames are lost." },
        {
            "bytesPerSecond", new SizeKind(0, 1L << 50),
            c => c.BytesPerSecond, (c, v) => c with { BytesPerSecond = v },
            "Most bytes a second; 0 for no limit."
        },
        {
            "queueBytes", new SizeKind(0, int.MaxValue),
            c => c.QueueBytes, (c, v) => c with { QueueBytes = (int)v },
            "Bytes that wait for their turn."
        },
    };

    private static readonly SpecRecord<NetworkPlug.Switch> NamedSwitch = new(
        "a switch", () => new NetworkPlug.Switch("x", new NamedSwitchOptions()))
    {
        { "name", Text, s => s.Name, (s, v) => new NetworkPlug.Switch(v, s.Options), "The switch's name.", true },
        {
            "isolated", Flag,
            s => s.Options.IsIsolated, (s, v) => s with { Options = s.Options with { IsIsolated = v } },
            "The switch has no way out."
        },
        {
            "vlan", new NumberKind<int>(1, 4094),
            s => s.Options.Vlan, (s, v) => s with { Options = s.Options with { Vlan = v } },
            "The card's VLAN."
        },
        {
            "conditions", Conditions,
            s => s.Options.Conditions, (s, v) => s with { Options = s.Options with { Conditions = v } },
            "What the cable does to frames."
        },
        {
            "forwards", new ListKind<PortForward>(Forward, MostForwards),
            s => s.Options.Forwards, (s, v) => s with { Options = s.Options with { Forwards = v } },
            "Ports of the host that lead into the machine."
        },
    };

    private static readonly SpecRecord<NetworkPlug.Tap> Tap = new("a tap", () => new NetworkPlug.Tap("x"))
    {
        { "name", Text, t => t.Name, (_, v) => new NetworkPlug.Tap(v), "The interface's name.", true },
    };

    private static readonly SpecRecord<NetworkPlug.Attachment> Attachment = new(
        "an attachment", () => new NetworkPlug.Attachment(string.Empty))
    {
        { "name", Text, a => a.Name, (a, v) => a with { Name = v }, "Its name in the attachments of the machine.", true },
    };

    public static SpecRecord<NetworkCard> Card { get; } = new(
        "a network card", () => new NetworkCard(Unplugged), NetworkCard.Parse, NetworkCard.Syntax)
    {
        Alternatives = ["user", "switch", "tap", "attachment"],
    };

    /// <summary>What a card is plugged into before its row is read; one of them is always there.</summary>
    private static NetworkPlug.Attachment Unplugged => new(string.Empty);

    static NetworkForm()
    {
        AddPlug(
            "user", "A private network whose way out are the host's sockets.", UserNetwork,
            plug => (plug as NetworkPlug.User)?.Options, options => new NetworkPlug.User(options));
        AddPlug("switch", "A switch that machines share by its name.", NamedSwitch, plug => plug as NetworkPlug.Switch, plug => plug);
        AddPlug("tap", "An interface of the host.", Tap, plug => plug as NetworkPlug.Tap, plug => plug);
        AddPlug(
            "attachment", "A network of the process that starts the machine.", Attachment,
            plug => plug as NetworkPlug.Attachment, plug => plug);
        Card.Add(
            "mac", OptionalValue(Mac), c => c.Mac, (c, v) => c with { Mac = v },
            "The card's address; null for one that is unique on its network.");
        Card.Add(
            "model", new ChoiceKind<NetworkCardModel>((NetworkCardModel.Virtio, "virtio"), (NetworkCardModel.E1000, "e1000")),
            c => c.Model, (c, v) => c with { Model = v },
            "Which chip the card is.");
        Card.Add(
            "capture", OptionalPath, c => c.Capture, (c, v) => c with { Capture = v },
            "File that receives every frame in pcap format.");
    }

    private static void AddPlug<T>(string name, string meaning, SpecRecord<T> record, Func<NetworkPlug, T?> get, Func<T, NetworkPlug> plug)
        where T : class =>
        Card.Add(
            name, Optional(record),
            card => get(card.Plug), (card, value) => card with { Plug = plug(value ?? throw Missing(name)) },
            meaning);

    private static StrataException Missing(string name) =>
        new(StrataError.BadInput, $"null is no network; write what \"{name}\" is, or {{}} for its defaults.");
}
