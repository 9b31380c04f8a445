using System.Buffers.Binary;
using System.Security.Cryptography;
using Strata.Core.Time;
using Strata.Networking.Nat;

namespace Strata.Networking.Tcp;

/// <summary>
/// Sequence numbers for new connections, by RFC 9293, section 3.4.1: a clock, from an origin that differs between conversations and that
/// nobody can guess. A guest that still remembers an earlier connection of the same ports sees that a new one is no old duplicate.
/// </summary>
internal sealed class InitialSequences(IVirtualClock clock)
{
    /// <summary>One number every 64 ns: what a connection with 15 MB/s uses up. A cycle takes 4.6 minutes.</summary>
    private const int TickShift = 6;

    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(16);

    /// <summary>The number of the SYN of a connection that begins now.</summary>
    public uint Next(in FlowKey key)
    {
        Span<byte> text = stackalloc byte[16 + 16 + 16 + 4];
        _secret.CopyTo(text);
        BinaryPrimitives.WriteUInt128BigEndian(text[16..], key.Guest.Value);
        BinaryPrimitives.WriteUInt128BigEndian(text[32..], key.Remote.Value);
        BinaryPrimitives.WriteUInt16BigEndian(text[48..], key.GuestPort);
        BinaryPrimitives.WriteUInt16BigEndian(text[50..], key.RemotePort);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return BinaryPrimitives.ReadUInt32BigEndian(hash) + (uint)(clock.Now >> TickShift);
    }
}
