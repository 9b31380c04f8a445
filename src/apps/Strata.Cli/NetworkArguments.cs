using System.CommandLine;
using Strata.Cli.Switches;
using Strata.Networking.Nat;

namespace Strata.Cli;

/// <summary>The options of `strata run` that concern the network.</summary>
internal sealed class NetworkArguments
{
    private const string TapPrefix = "tap=";
    private const string SwitchPrefix = "switch=";

    private readonly Option<string> _net = new("--net")
    {
        Description = "Network: user (access through the host, no root), user,restrict (forwarded ports only), switch=NAME (one Ethernet with all of your machines "
            + "that name the same switch, and access as with user; switch=NAME,isolated without access), tap=NAME (an interface of the host), or none. "
            + "user takes rules, the first match decides: user,allow=CIDR[:PORT[-PORT]],deny=any (an IPv6 CIDR with ports in brackets). In it the host is "
            + "10.0.2.2, by IPv6 fd53:7472:6174::2. A switch takes what the machine's cable is like: vlan=10,delay=20ms,loss=1%,rate=10M (bits a second).",
        DefaultValueFactory = _ => "user",
    };

    private readonly Option<string[]> _forward = new("--forward")
    {
        Description = "Lead a host port into the guest: [udp:][ADDRESS:]HOSTPORT:GUESTPORT, such as 2222:22. On 127.0.0.1 unless an address is given, such as [::1]:2222:22; HOSTPORT 0 takes a free one and says which; may be repeated. With --net user and --net switch=NAME.",
    };

    private readonly Option<string?> _capture = new("--capture")
    {
        Description = "Write every frame of the network card to a pcap file, for tcpdump -r or Wireshark.",
    };

    public void AddTo(Command command)
    {
        command.Add(_net);
        command.Add(_forward);
        command.Add(_capture);
    }

    /// <exception cref="StrataException">An option cannot be understood.</exception>
    public IReadOnlyList<NetworkCard> Parse(ParseResult result)
    {
        string net = result.GetValue(_net)!;
        string[] forwards = result.GetValue(_forward) ?? [];
        string? capture = result.GetValue(_capture);
        if (net == "none")
        {
            return forwards.Length == 0 && capture is null
                ? []
                : throw new StrataException(StrataError.BadInput, "--forward and --capture need a network; leave out --net none.");
        }

        if (net.StartsWith(TapPrefix, StringComparison.Ordinal))
        {
            string[] tap = OptionList.Split(net[TapPrefix.Length..]);
            if (tap.Length > 1)
            {
                throw new StrataException(StrataError.BadInput, $"\"{tap[1]}\" is no option of a tap, as it has none; a comma in its name is written twice.");
            }

            return forwards.Length == 0
                ? [NetworkCard.Tap(tap[0]) with { Capture = capture }]
                : throw new StrataException(StrataError.BadInput, "--forward needs --net user; a tap's ports are the host's own affair.");
        }

        if (net.StartsWith(SwitchPrefix, StringComparison.Ordinal))
        {
            return [SwitchArguments.Parse(net[SwitchPrefix.Length..], [.. forwards.Select(ParseForward)]) with { Capture = capture }];
        }

        string[] words = OptionList.Split(net);
        if (words[0] != "user")
        {
            throw new StrataException(StrataError.BadInput, $"There is no network \"{net}\"; use user, user,restrict, switch=NAME, tap=NAME or none.");
        }

        UserNetworkOptions options = new() { Forwards = [.. forwards.Select(ParseForward)], Egress = ParsePolicy(words[1..]) };
        return [NetworkCard.User(options) with { Capture = capture }];
    }

    private static PortForward ParseForward(string text) => PortForward.TryParse(text, out PortForward? forward)
        ? forward
        : throw new StrataException(StrataError.BadInput, $"\"{text}\" forwards no port; write HOSTPORT:GUESTPORT, such as 2222:22, with udp: or an ADDRESS: before it if needed, an IPv6 address in brackets.");

    private static EgressPolicy ParsePolicy(string[] words)
    {
        List<EgressRule> rules = [];
        bool restricted = false;
        foreach (string word in words)
        {
            string[] parts = word.Split('=', 2);
            if (word == "restrict")
            {
                restricted = true;
            }
            else if (parts is ["allow" or "deny", string place] && EgressRule.TryParse(parts[0] == "allow", place, out EgressRule? rule))
            {
                rules.Add(rule);
            }
            else
            {
                throw new StrataException(StrataError.BadInput, $"\"{word}\" is no rule for --net user; write restrict, allow=CIDR[:PORT] or deny=CIDR[:PORT].");
            }
        }

        return new EgressPolicy(rules, AllowOthers: !restricted);
    }
}
