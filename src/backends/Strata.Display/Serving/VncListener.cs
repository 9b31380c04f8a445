using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Strata.Display.Serving;

/// <summary>The socket that a VNC server listens on. That of a Unix socket is a file that only its user may open.</summary>
internal static class VncListener
{
    private const int Backlog = 16;
    private const int NoSuchDevice = 6; // ENXIO

    /// <exception cref="SocketException">The address is taken, or none of this host.</exception>
    public static Socket Open(EndPoint address)
    {
        if (address is UnixDomainSocketEndPoint unix)
        {
            RemoveLeftOver(unix);
        }

        Socket listener = new(
            address.AddressFamily, SocketType.Stream, address is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            listener.Bind(address);
            if (address is UnixDomainSocketEndPoint file)
            {
                File.SetUnixFileMode(file.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            listener.Listen(Backlog);
            return listener;
        }
        catch (Exception)
        {
            listener.Dispose();
            throw;
        }
    }

    public static void Close(Socket listener, EndPoint address)
    {
        listener.Dispose();
        if (address is UnixDomainSocketEndPoint file)
        {
            File.Delete(file.ToString()!);
        }
    }

    /// <summary>
    /// The file of a server that was killed is in nobody's way; one that is listened on stays, and so does any other file.
    /// </summary>
    private static void RemoveLeftOver(UnixDomainSocketEndPoint address)
    {
        if (!File.Exists(address.ToString()))
        {
            return;
        }

        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(address);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && IsSocket(address.ToString()!))
        {
            File.Delete(address.ToString()!);
        }
        catch (SocketException)
        {
            // bind says what is wrong with it
        }
    }

    /// <summary>open(2) answers ENXIO for sockets alone; opened for both directions, not even a pipe makes it wait.</summary>
    private static bool IsSocket(string path)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            return false;
        }
        catch (IOException e) when (e.HResult == NoSuchDevice)
        {
            return true;
        }
    }
}
