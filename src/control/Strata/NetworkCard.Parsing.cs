using System.Globalization;
using Strata.Machines.Boards;
using Strata.Networking.NamedSwitches;
using Strata.Networking.Nat;

namespace Strata;

/// <content>Networks as the command's options have them.</content>
public sealed partial record NetworkCard
{
    /// <summary>What <see cref="Parse"/> understands.</summary>
    public const string Syntax =
        "user[,restrict][,allow=RULE][,deny=RULE], switch=NAME[,isolated][,vlan=N][,delay=Nms][,loss=N%][,rate=N[K|M|G]] or tap=NAME; " +
        "behind each [,model=virtio|e1000]";

    private const string None = "none";
    private const string TapPrefix = "tap=";
    private const string SwitchPrefix = "switch=";
    private const long BitsPerByte = 8;

    /// <summary>The cards of a machine by the command's options.</summary>
    /// <param name="net">As <see cref="Parse"/> understands it, or "none".</param>
    /// <param name="forwards">As <see cref="ParseForward"/> understands them.</param>
    /// <param name="capture">File for the card's frames, or null.</param>
    /// <exception cref="StrataException">An option cannot be understood, or needs another network.</exception>
    public static IReadOnlyList<NetworkCard> ParseAll(string net, IReadOnlyList<string> forwards, string? capture)
    {
        ArgumentNullException.ThrowIfNull(forwards);
        return WithOptions(net == None ? [] : [Parse(net)], forwards, capture);
    }

    /// <summary>Puts forwarded ports and a capture on the first card.</summary>
    /// <param name="forwards">They take the place of the card's own; none leave those.</param>
    /// <inheritdoc cref="ParseAll"/>
    public static IReadOnlyList<NetworkCard> WithOptions(IReadOnlyList<NetworkCard> cards, IReadOnlyList<string> forwards, string? capture)
    {
        ArgumentNullException.ThrowIfNull(cards);
        ArgumentNullException.ThrowIfNull(forwards);
        if (cards.Count == 0)
        {
            return forwards.Count == 0 && capture is null
                ? []
                : throw new StrataException(StrataError.BadInput, "--forward and --capture need a network; leave out --net none.");
        }

        NetworkCard first = forwards.Count == 0 ? cards[0] : cards[0].WithForwards([.. forwards.Select(ParseForward)]);
        return [first with { Capture = capture ?? first.Capture }, .. cards.Skip(1)];
    }

    /// <summary>Puts what starts from the network is told on the first card that has a user-mode network.</summary>
    /// <param name="cards">The machine's.</param>
    /// <param name="tftp">A folder of the host; null for what the card has.</param>
    /// <param name="bootFile">The file that DHCP names; null for what the card has.</param>
    /// <exception cref="StrataException">No card has such a network, or the file cannot be named.</exception>
    public static IReadOnlyList<NetworkCard> WithBootFile(IReadOnlyList<NetworkCard> cards, string? tftp, string? bootFile)
    {
        ArgumentNullException.ThrowIfNull(cards);
        if (tftp is null && bootFile is null)
        {
            return cards;
        }

        NetworkCard card = cards.FirstOrDefault(card => card.Plug is NetworkPlug.User)
            ?? throw new StrataException(
                StrataError.BadInput, "--tftp and --bootfile need --net user: other networks have servers of their own.");
        if (bootFile is not null && (bootFile.Length is 0 or > UserNetworkOptions.LongestBootFile || !bootFile.All(char.IsAscii)))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"DHCP cannot name the boot file \"{bootFile}\": it has 1 to {UserNetworkOptions.LongestBootFile} characters of ASCII.");
        }

        UserNetworkOptions options = ((NetworkPlug.User)card.Plug).Options;
        NetworkCard changed = card with
        {
            Plug = new NetworkPlug.User(options with { TftpFolder = tftp ?? options.TftpFolder, BootFile = bootFile ?? options.BootFile }),
        };
        return [.. cards.Select(one => ReferenceEquals(one, card) ? changed : one)];
    }

    /// <summary>Understands <see cref="Syntax"/>; a comma that belongs to a name is written twice.</summary>
    /// <exception cref="StrataException">It cannot be understood.</exception>
    public static NetworkCard Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        (text, NetworkCardModel model) = TakeModel(text);
        return ParsePlug(text) with { Model = model };
    }

    private static NetworkCard ParsePlug(string text)
    {
        if (text.StartsWith(TapPrefix, StringComparison.Ordinal))
        {
            string[] tap = OptionList.Split(text[TapPrefix.Length..]);
            return tap.Length == 1
                ? Tap(tap[0])
                : throw new StrataException(
                    StrataError.BadInput, $"\"{tap[1]}\" is no option of a tap, as it has none; a comma in its name is written twice.");
        }

        if (text.StartsWith(SwitchPrefix, StringComparison.Ordinal))
        {
            string[] parts = OptionList.Split(text[SwitchPrefix.Length..]);
            return Switch(parts[0], parts.Skip(1).Aggregate(new NamedSwitchOptions(), Apply));
        }

        string[] words = OptionList.Split(text);
        return words[0] == "user"
            ? User(new UserNetworkOptions { Egress = ParsePolicy(words[1..]) })
            : throw new StrataException(
                StrataError.BadInput, $"There is no network \"{text}\"; use user, user,restrict, switch=NAME, tap=NAME or none.");
    }

    /// <summary>Takes model=NAME out of a card's text: it says nothing about the network.</summary>
    private static (string Network, NetworkCardModel Model) TakeModel(string text)
    {
        const string option = ",model=";
        int at = text.IndexOf(option, StringComparison.Ordinal);
        if (at < 1 || text[at - 1] == ',')
        {
            return (text, NetworkCardModel.Virtio); // a comma that is written twice belongs to a name
        }

        int end = text.IndexOf(',', at + 1);
        end = end < 0 ? text.Length : end;
        NetworkCardModel model = text[(at + option.Length)..end] switch
        {
            "virtio" => NetworkCardModel.Virtio,
            "e1000" => NetworkCardModel.E1000,
            var other =>
                throw new StrataException(StrataError.BadInput, $"There is no network card \"{other}\"; use model=virtio or model=e1000."),
        };
        return (text.Remove(at, end - at), model);
    }

    /// <summary>Understands [udp:][ADDRESS:]HOSTPORT:GUESTPORT.</summary>
    /// <exception cref="StrataException">It cannot be understood.</exception>
    public static PortForward ParseForward(string text) => PortForward.TryParse(text, out PortForward? forward)
        ? forward
        : throw new StrataException(
            StrataError.BadInput,
            $"\"{text}\" forwards no port; write HOSTPORT:GUESTPORT, such as 2222:22, with udp: or an ADDRESS: before it if needed, "
            + "an IPv6 address in brackets.");

    /// <summary>Understands allow=CIDR[:PORT[-PORT]] and deny=CIDR[:PORT[-PORT]].</summary>
    /// <exception cref="StrataException">It cannot be understood.</exception>
    internal static EgressRule ParseRule(string text) =>
        text.Split('=', 2) is ["allow" or "deny", string place] && EgressRule.TryParse(text.StartsWith('a'), place, out EgressRule? rule)
            ? rule
            : throw new StrataException(
                StrataError.BadInput, $"\"{text}\" is no rule for --net user; write restrict, allow=CIDR[:PORT] or deny=CIDR[:PORT].");

    private NetworkCard WithForwards(IReadOnlyList<PortForward> forwards) => Plug switch
    {
        NetworkPlug.User user => this with { Plug = new NetworkPlug.User(user.Options with { Forwards = forwards }) },
        NetworkPlug.Switch network => this with { Plug = network with { Options = network.Options with { Forwards = forwards } } },
        _ => throw new StrataException(StrataError.BadInput, "--forward needs --net user; a tap's ports are the host's own affair."),
    };

    private static EgressPolicy ParsePolicy(string[] words)
    {
        EgressRule[] rules = [.. words.Where(word => word != "restrict").Select(ParseRule)];
        return new EgressPolicy(rules, AllowOthers: !words.Contains("restrict"));
    }

    private static NamedSwitchOptions Apply(NamedSwitchOptions options, string word) => word.Split('=', 2) switch
    {
        ["isolated"] => options with { IsIsolated = true },
        ["vlan", string text] when TryParseNumber(text, "", 1, 4094, out double vlan) && double.IsInteger(vlan) =>
            options with { Vlan = (int)vlan },
        ["delay", string text] when TryParseNumber(text, "ms", 0, 60_000, out double delay) =>
            options with { Conditions = options.Conditions with { Delay = TimeSpan.FromMilliseconds(delay) } },
        ["loss", string text] when TryParseNumber(text, "%", 0, 100, out double percent) =>
            options with { Conditions = options.Conditions with { Loss = percent / 100 } },
        ["rate", string text] when TryParseRate(text, out long bytes) =>
            options with { Conditions = options.Conditions with { BytesPerSecond = bytes } },
        _ => throw new StrataException(
            StrataError.BadInput,
            $"\"{word}\" is no option of a switch; write isolated, vlan=1 to 4094, delay=20ms (at most 60000), loss=1% "
            + "or rate=10M (bits a second)."),
    };

    private static bool TryParseNumber(string text, string unit, double least, double most, out double number)
    {
        number = 0;
        return text.EndsWith(unit, StringComparison.Ordinal)
            && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number)
            && number >= least && number <= most;
    }

    /// <summary>Bits a second; K, M and G are powers of 1000, as network cards count.</summary>
    private static bool TryParseRate(string text, out long bytesPerSecond)
    {
        long unit = text.Length == 0
            ? 1
            : char.ToUpperInvariant(text[^1]) switch { 'K' => 1000, 'M' => 1_000_000, 'G' => 1_000_000_000, _ => 1 };
        bool good = TryParseNumber(unit == 1 ? text : text[..^1], "", 0, unit == 1 ? 1e12 : 1e6, out double number);
        bytesPerSecond = (long)(number * unit) / BitsPerByte;
        return good && bytesPerSecond > 0;
    }
}
