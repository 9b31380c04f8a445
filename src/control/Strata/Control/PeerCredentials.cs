using System.Buffers.Binary;
using System.Net.Sockets;

namespace Strata.Control;

/// <summary>Who is at the other end of a Unix-domain socket: SO_PEERCRED of unix(7), which the kernel fills in.</summary>
internal static class PeerCredentials
{
    private const int SocketLevel = 1;
    private const int PeerCredentialsOption = 17;

    /// <summary>struct ucred: process, user and group, 32 bits each.</summary>
    private const int Size = 12;
    private const int UserOffset = 4;

    /// <summary>Whether the process there acts as the same user as this one.</summary>
    public static bool IsSameUser(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[Size];
        return socket.GetRawSocketOption(SocketLevel, PeerCredentialsOption, credentials) == Size
            && BinaryPrimitives.ReadUInt32LittleEndian(credentials[UserOffset..]) == RuntimeFolder.UserId;
    }
}
