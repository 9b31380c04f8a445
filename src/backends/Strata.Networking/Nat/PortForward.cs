using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>A port of the host that leads into the guest.</summary>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="HostAddress">Address of the host to listen on.</param>
/// <param name="HostPort">1..65535; 0 lets the host choose one.</param>
/// <param name="GuestPort">1..65535.</param>
/// <param name="Guest">The guest's address, or null for the first guest's, or on a named switch the machine's own.</param>
public sealed record PortForward(TransportProtocol Protocol, IPAddress HostAddress, int HostPort, int GuestPort, Ipv4Address? Guest = null)
{
    private const string UdpPrefix = "udp:";
    private const string TcpPrefix = "tcp:";

    /// <summary>Reads [udp:][ADDRESS:]HOSTPORT:GUESTPORT; an IPv6 address stands in brackets. Without an address it is 127.0.0.1.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out PortForward? forward)
    {
        forward = null;
        text ??= string.Empty;
        TransportProtocol protocol = text.StartsWith(UdpPrefix, StringComparison.Ordinal) ? TransportProtocol.Udp : TransportProtocol.Tcp;
        if (protocol == TransportProtocol.Udp || text.StartsWith(TcpPrefix, StringComparison.Ordinal))
        {
            text = text[UdpPrefix.Length..];
        }

        int last = text.LastIndexOf(':');
        int middle = last <= 0 ? -1 : text.LastIndexOf(':', last - 1);
        IPAddress? address = IPAddress.Loopback;
        if (last <= 0 || (middle >= 0 && !TryParseAddress(text[..middle], out address))
            || !TryParsePort(text[(middle + 1)..last], out int host) || !TryParsePort(text[(last + 1)..], out int guest) || guest == 0)
        {
            return false;
        }

        forward = new PortForward(protocol, address, host, guest);
        return true;
    }

    private static bool TryParseAddress(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        bool isBracketed = text is ['[', .., ']'];
        return IPAddress.TryParse(isBracketed ? text[1..^1] : text, out address)
            && address.AddressFamily == (isBracketed ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork);
    }

    private static bool TryParsePort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= ushort.MaxValue;
}
