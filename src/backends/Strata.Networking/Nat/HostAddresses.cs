using System.Net;
using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>Translates the addresses that guests use into those of the host.</summary>
internal sealed class HostAddresses(UserNetworkOptions options)
{
    private const ushort DnsPort = 53;
    private const string ResolverFile = "/etc/resolv.conf";

    /// <summary>Where a guest's packet really goes.</summary>
    /// <returns>Null if no such place exists outside of the guests' network.</returns>
    public IPEndPoint? Translate(Ipv4Address destination, ushort port)
    {
        if (destination == options.Gateway)
        {
            return new IPEndPoint(IPAddress.Loopback, port);
        }

        if (destination == options.Dns)
        {
            return port == DnsPort ? options.Resolver ?? FindResolver() : null;
        }

        bool outside = !options.Network.Contains(destination) && !destination.IsLoopback && !destination.IsMulticast
            && destination != Ipv4Address.Broadcast && destination.Value >> 24 != 0;
        return outside ? new IPEndPoint(destination.ToIPAddress(), port) : null;
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
