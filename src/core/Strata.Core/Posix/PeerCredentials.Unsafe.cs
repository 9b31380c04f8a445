using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Strata.Core.Posix;

/// <summary>Who is at the other end of a Unix-domain socket: SO_PEERCRED of unix(7), which the kernel fills in.</summary>
/// <param name="ProcessId">The process that connected or listened.</param>
/// <param name="UserId">The user that it acted as.</param>
public readonly partial record struct PeerCredentials(int ProcessId, uint UserId)
{
    private const int SocketLevel = 1;
    private const int PeerCredentialsOption = 17;

    /// <summary>struct ucred: process, user and group, 32 bits each.</summary>
    private const int Size = 12;
    private const int UserOffset = 4;

    /// <summary>The user that this process acts as.</summary>
    public static uint OwnUserId => GetEffectiveUser();

    /// <summary>Whether the process there acts as the same user as this one.</summary>
    public bool IsSameUser => UserId == OwnUserId;

    /// <summary>The other end of a connected socket; a user that is nobody's where the kernel does not tell.</summary>
    public static PeerCredentials Of(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        Span<byte> credentials = stackalloc byte[Size];
        return socket.GetRawSocketOption(SocketLevel, PeerCredentialsOption, credentials) == Size
            ? new PeerCredentials(
                BinaryPrimitives.ReadInt32LittleEndian(credentials), BinaryPrimitives.ReadUInt32LittleEndian(credentials[UserOffset..]))
            : new PeerCredentials(0, uint.MaxValue);
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUser();
}
