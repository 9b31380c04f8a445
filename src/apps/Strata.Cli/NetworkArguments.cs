using System.CommandLine;

namespace Strata.Cli;

/// <summary>The options of `strata run` that concern the network.</summary>
internal sealed class NetworkArguments
{
    private readonly Option<string> _net = new("--net")
    {
        Description = "Network: user (access through the host, no root), user,restrict (forwarded ports only), switch=NAME (one Ethernet " +
            "with all of your machines "
            + "that name the same switch, and access as with user; switch=NAME,isolated without access), "
            + "tap=NAME (an interface of the host), or none. "
            + "user takes rules, the first match decides: user,allow=CIDR[:PORT[-PORT]],deny=any (an IPv6 CIDR with ports in brackets). "
            + "In it the host is "
            + "10.0.2.2, by IPv6 fd53:7472:6174::2. A switch takes what the machine's cable is like: "
            + "vlan=10,delay=20ms,loss=1%,rate=10M (bits a second).",
        DefaultValueFactory = _ => "user",
    };

    private readonly Option<string[]> _forward = new("--forward")
    {
        Description = "Lead a host port into the guest: [udp:][ADDRESS:]HOSTPORT:GUESTPORT, such as 2222:22. On 127.0.0.1 unless an " +
            "address is given, such as [::1]:2222:22; HOSTPORT 0 takes a free one and says which; may be repeated. With --net user and " +
            "--net switch=NAME.",
    };

    private readonly Option<string?> _capture = new("--capture")
    {
        Description = "Write every frame of the network card to a pcap file, for tcpdump -r or Wireshark.",
    };

    private readonly Option<string?> _tftp = new("--tftp")
    {
        Description = "Folder whose files the guest's boot loader can fetch from 10.0.2.2 by TFTP. With --net user and --boot net.",
    };

    private readonly Option<string?> _bootFile = new("--bootfile")
    {
        Description = "What DHCP names as the file to start from, such as pxelinux.0 in the folder of --tftp; iPXE takes a URL as well.",
    };

    public void AddTo(Command command)
    {
        command.Add(_net);
        command.Add(_forward);
        command.Add(_capture);
        command.Add(_tftp);
        command.Add(_bootFile);
    }

    /// <param name="networks">What the machine has where no option says otherwise.</param>
    /// <exception cref="StrataException">An option cannot be understood.</exception>
    public IReadOnlyList<NetworkCard> Apply(ParseResult result, IReadOnlyList<NetworkCard> networks)
    {
        string[] forwards = result.GetValue(_forward) ?? [];
        string? capture = result.GetValue(_capture);
        networks = RunArguments.IsGiven(result, _net)
            ? NetworkCard.ParseAll(result.GetValue(_net)!, forwards, capture)
            : NetworkCard.WithOptions(networks, forwards, capture);
        return NetworkCard.WithBootFile(networks, result.GetValue(_tftp), result.GetValue(_bootFile));
    }
}
