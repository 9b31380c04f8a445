using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>A rule about where guests may connect to.</summary>
/// <param name="Allow">Let through, or refuse.</param>
/// <param name="Destination">
/// Addresses as the guest names them: the gateway stands for the host itself, and a rule for the IPv4 or IPv6 address of gateway or name
/// server is for both. Null for every address of both protocols.
/// </param>
/// <param name="FirstPort">First port that the rule covers, 0..65535.</param>
/// <param name="LastPort">Last port that the rule covers.</param>
public sealed record EgressRule(bool Allow, InternetNetwork? Destination, int FirstPort = 0, int LastPort = ushort.MaxValue)
{
    public bool Covers(InternetAddress destination, int port) =>
        Destination?.Contains(destination) != false && port >= FirstPort && port <= LastPort;

    /// <summary>
    /// Reads CIDR or CIDR:PORT or CIDR:FIRST-LAST; "any" stands for every address. An IPv6 CIDR stands in brackets where ports follow.
    /// </summary>
    public static bool TryParse(bool allow, string? text, [NotNullWhen(true)] out EgressRule? rule)
    {
        rule = null;
        if (!TrySplit(text ?? string.Empty, out string place, out string[] ports))
        {
            return false;
        }

        InternetNetwork? destination = null;
        if (place != "any")
        {
            if (!InternetNetwork.TryParse(place, out InternetNetwork network))
            {
                return false;
            }

            destination = network;
        }

        if (ports.Length is not (1 or 2)
            || !TryParsePort(ports[0], out int first)
            || !TryParsePort(ports[^1], out int last)
            || last < first)
        {
            return false;
        }

        rule = new EgressRule(allow, destination, first, last);
        return true;
    }

    /// <summary>Takes brackets and ports off: one colon is before ports, several are an IPv6 address's.</summary>
    private static bool TrySplit(string text, out string place, out string[] ports)
    {
        bool isBracketed = text.StartsWith('[');
        int end = isBracketed ? text.IndexOf(']', StringComparison.Ordinal) : text.IndexOf(':', StringComparison.Ordinal);
        if (!isBracketed && end != text.LastIndexOf(':'))
        {
            end = -1;
        }

        place = isBracketed ? text[1..Math.Max(1, end)] : end < 0 ? text : text[..end];
        string rest = end < 0 ? string.Empty : text[(isBracketed ? end + 1 : end)..];
        ports = rest.Length == 0 ? ["0", "65535"] : rest[1..].Split('-');
        bool isIpv6 = place.Contains(':', StringComparison.Ordinal);
        return (!isBracketed || (end > 0 && isIpv6)) && (rest.Length == 0 || rest[0] == ':');
    }

    private static bool TryParsePort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= ushort.MaxValue;
}

/// <summary>
/// Where guests may connect to: the first rule that covers a destination decides. Replies to forwarded ports are never refused.
/// </summary>
/// <param name="Rules">In order.</param>
/// <param name="AllowOthers">What happens to destinations without a rule.</param>
public sealed record EgressPolicy(IReadOnlyList<EgressRule> Rules, bool AllowOthers)
{
    public static EgressPolicy AllowAll { get; } = new([], AllowOthers: true);

    /// <summary>No access but by forwarded ports.</summary>
    public static EgressPolicy DenyAll { get; } = new([], AllowOthers: false);

    /// <summary>Whether there is any place that guests may connect to.</summary>
    internal bool AllowsAnything => AllowOthers || Rules.Any(rule => rule.Allow);

    public bool Allows(InternetAddress destination, int port) => Allows(destination, otherName: null, port);

    /// <param name="otherName">Another address of the same place, or null: a rule that covers one of them decides.</param>
    internal bool Allows(InternetAddress destination, InternetAddress? otherName, int port)
    {
        foreach (EgressRule rule in Rules)
        {
            if (rule.Covers(destination, port) || (otherName is { } other && rule.Covers(other, port)))
            {
                return rule.Allow;
            }
        }

        return AllowOthers;
    }
}
