using Strata.Networking.Frames;

namespace Strata.Networking.Nat;

/// <summary>A packet from a guest, of either Internet protocol.</summary>
/// <param name="protocol">Of the payload, behind all extension headers.</param>
/// <param name="bytes">Header first, for an error that quotes it; of a packet in fragments the last one to come.</param>
internal readonly ref struct GuestPacket(InternetAddress source, InternetAddress destination, byte protocol, ReadOnlySpan<byte> bytes)
{
    public InternetAddress Source { get; } = source;

    public InternetAddress Destination { get; } = destination;

    public byte Protocol { get; } = protocol;

    public ReadOnlySpan<byte> Bytes { get; } = bytes;
}
