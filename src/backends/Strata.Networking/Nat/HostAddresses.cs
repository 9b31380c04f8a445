using System.Net;
using System.Net.Sockets;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>Translates the addresses that guests use into those of the host.</summary>
internal sealed class HostAddresses(UserNetworkOptions options)
{
    private const ushort DnsPort = 53;
    private const string ResolverFile = "/etc/resolv.conf";

    /// <summary>64:ff9b::/96, behind which routers of a network without IPv4 reach IPv4. RFC 6052, section 2.1.</summary>
    private static readonly InternetNetwork Translated = InternetNetwork.Parse("64:ff9b::/96");

    /// <summary>2000::/3, the addresses that the Internet knows.</summary>
    private static readonly InternetNetwork GlobalUnicast = InternetNetwork.Parse("2000::/3");

    /// <summary>A root name server: an address that every host on the Internet has a route to. Nothing is sent there.</summary>
    private static readonly IPEndPoint SomewhereElse = new(IPAddress.Parse("2001:7fd::1"), DnsPort);

    /// <summary>Where a guest's packet really goes.</summary>
    /// <returns>Null if no such place exists outside of the guests' network.</returns>
    public IPEndPoint? Translate(InternetAddress destination, ushort port)
    {
        if (destination == options.Gateway || destination == options.Ipv6Gateway)
        {
            return new IPEndPoint(destination.IsIpv4 ? IPAddress.Loopback : IPAddress.IPv6Loopback, port);
        }

        if (destination == options.Dns || destination == options.Ipv6Dns)
        {
            return port == DnsPort ? options.Resolver ?? FindResolver() : null;
        }

        return IsOutside(destination) ? new IPEndPoint(destination.ToIPAddress(), port) : null;
    }

    /// <summary>Whether the rules let a guest's packet through.</summary>
    public bool Allows(InternetAddress destination, int port) => options.Egress.Allows(destination, OtherName(destination), port);

    /// <summary>
    /// Whether a guest can do anything with addresses of the IPv6 Internet: the host has a route there and an address to be answered at,
    /// and the rules do not refuse everything. A host with nothing but unique local addresses is taken for one without: its default
    /// route often leads nowhere, and guests would wait for it.
    /// </summary>
    public bool HasIpv6WayOut()
    {
        if (options.HasIpv6WayOut is { } said)
        {
            return said;
        }

        if (!options.Egress.AllowsAnything)
        {
            return false;
        }

        try
        {
            using Socket probe = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            probe.Connect(SomewhereElse); // of UDP: looks for a route and an address, and sends nothing
            return probe.LocalEndPoint is IPEndPoint { Address: { } own } && GlobalUnicast.Contains(InternetAddress.From(own));
        }
        catch (SocketException)
        {
            return false; // no IPv6, or no route
        }
    }

    private bool IsOutside(InternetAddress address)
    {
        if (address.IsLoopback || address.IsMulticast)
        {
            return false;
        }

        return address.IsIpv4
            ? !options.Network.Contains(address.Ipv4) && address != Ipv4Address.Broadcast && address.Ipv4.Value >> 24 != 0
            : !address.IsReserved && !address.IsLinkLocal && options.Ipv6Network?.Contains(address) != true;
    }

    /// <summary>The same place by the other protocol, so that a rule for one of them is not walked around by the other; or null.</summary>
    private InternetAddress? OtherName(InternetAddress address)
    {
        if (address.IsIpv4)
        {
            return address == options.Gateway ? options.Ipv6Gateway : address == options.Dns ? options.Ipv6Dns : null;
        }

        return address == options.Ipv6Gateway ? options.Gateway
            : address == options.Ipv6Dns ? options.Dns
            : Translated.Contains(address) ? new Ipv4Address((uint)address.Value)
            : null;
    }

    /// <summary>The first name server of resolv.conf(5); it may change while the machine runs.</summary>
    private static IPEndPoint? FindResolver()
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(ResolverFile);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // a host without name service: the guest hears that the port is unreachable
        }

        foreach (string line in lines)
        {
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", string text, ..] && IPAddress.TryParse(text, out IPAddress? address))
            {
                return new IPEndPoint(address, DnsPort);
            }
        }

        return null;
    }
}
