using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Tests.Harness;

/// <summary>A test that needs the host's ::1, which a host can be without.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class Ipv6FactAttribute : FactAttribute
{
    public Ipv6FactAttribute() => Skip = HasLoopback() ? null : "The host has no IPv6 loopback address.";

    private static bool HasLoopback()
    {
        try
        {
            using Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
