using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Nat;

/// <summary>Opens sockets of the host. None of them ever waits.</summary>
internal static class HostSocket
{
    /// <summary>Begins a connection; its end is an event of the poller.</summary>
    /// <param name="error">Success while it is under way.</param>
    /// <returns>Null if it failed at once, for the reason in <paramref name="error"/>: a host without descriptors or without a
    /// route.</returns>
    public static Socket? TryConnect(IPEndPoint target, SocketType type, ProtocolType protocol, out SocketError error)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(target.AddressFamily, type, protocol) { Blocking = false };
            if (type == SocketType.Stream)
            {
                socket.NoDelay = true; // whether to wait for more is the guest's choice
            }

            socket.Connect(target);
            error = SocketError.Success;
            return socket;
        }
        catch (SocketException failure) when (failure.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            error = SocketError.Success;
            return socket;
        }
        catch (SocketException failure)
        {
            socket?.Dispose();
            error = failure.SocketErrorCode;
            return null;
        }
    }

    /// <summary>Takes a caller of a forwarded port.</summary>
    /// <returns>Null if the caller has gone again or the host has no descriptor left.</returns>
    public static Socket? TryAccept(Socket listener, out IPEndPoint? caller)
    {
        Socket? socket = null;
        try
        {
            socket = listener.Accept();
            socket.Blocking = false;
            socket.NoDelay = true;
            caller = (IPEndPoint?)socket.RemoteEndPoint;
            return socket;
        }
        catch (SocketException)
        {
            socket?.Dispose();
            caller = null;
            return null;
        }
    }

    /// <summary>Opens the host's end of a forwarded port.</summary>
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
            throw new IOException(
                $"The host port {new IPEndPoint(forward.HostAddress, forward.HostPort)} cannot be forwarded: {remedy}.", error);
        }
    }
}
