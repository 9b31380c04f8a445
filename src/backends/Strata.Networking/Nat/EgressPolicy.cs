using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>A rule about where guests may connect to.</summary>
/// <param name="Allow">Let through, or refuse.</param>
/// <param name="Destination">Addresses as the guest names them: the gateway stands for the host itself.</param>
/// <param name="FirstPort">First port that the rule covers, 0..65535.</param>
/// <param name="LastPort">Last port that the rule covers.</param>
public sealed record EgressRule(bool Allow, Ipv4Network Destination, int FirstPort = 0, int LastPort = ushort.MaxValue)
{
    public bool Covers(Ipv4Address destination, int port) => Destination.Contains(destination) && port >= FirstPort && port <= LastPort;

    /// <summary>Reads CIDR or CIDR:PORT or CIDR:FIRST-LAST; "any" stands for every address.</summary>
    public static bool TryParse(bool allow, string? text, [NotNullWhen(true)] out EgressRule? rule)
    {
        rule = null;
        string[] parts = text?.Split(':') ?? [];
        Ipv4Network destination = Ipv4Network.All;
        if (parts.Length is not (1 or 2) || (parts[0] != "any" && !Ipv4Network.TryParse(parts[0], out destination)))
        {
            return false;
        }

        string[] ports = parts.Length == 2 ? parts[1].Split('-') : ["0", "65535"];
        if (ports.Length is not (1 or 2) || !TryParsePort(ports[0], out int first) || !TryParsePort(ports[^1], out int last) || last < first)
        {
            return false;
        }

        rule = new EgressRule(allow, destination, first, last);
        return true;
    }

    private static bool TryParsePort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= ushort.MaxValue;
}

/// <summary>Where guests may connect to: the first rule that covers a destination decides. Replies to forwarded ports are never refused.</summary>
/// <param name="Rules">In order.</param>
/// <param name="AllowOthers">What happens to destinations without a rule.</param>
public sealed record EgressPolicy(IReadOnlyList<EgressRule> Rules, bool AllowOthers)
{
    public static EgressPolicy AllowAll { get; } = new([], AllowOthers: true);

    /// <summary>No access but by forwarded ports.</summary>
    public static EgressPolicy DenyAll { get; } = new([], AllowOthers: false);

    public bool Allows(Ipv4Address destination, int port)
    {
        foreach (EgressRule rule in Rules)
        {
            if (rule.Covers(destination, port))
            {
                return rule.Allow;
            }
        }

        return AllowOthers;
    }
}
