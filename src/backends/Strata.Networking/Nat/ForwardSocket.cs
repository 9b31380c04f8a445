using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Nat;

/// <summary>Opens the host's end of a forwarded port.</summary>
internal static class ForwardSocket
{
    /// <exception cref="IOException">The port cannot be had; the message says why and what to do.</exception>
    public static Socket Bind(PortForward forward, SocketType type, ProtocolType protocol)
    {
        Socket socket = new(forward.HostAddress.AddressFamily, type, protocol) { Blocking = false };
        try
        {
            socket.Bind(new IPEndPoint(forward.HostAddress, forward.HostPort));
            return socket;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            string remedy = error.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "another program uses it; choose another host port",
                SocketError.AccessDenied => "ports below 1024 need privileges; choose a higher host port",
                SocketError.AddressNotAvailable => "the host has no such address; choose one of its own",
                _ => error.Message,
            };
            throw new IOException($"The host port {forward.HostAddress}:{forward.HostPort} cannot be forwarded: {remedy}.", error);
        }
    }
}
