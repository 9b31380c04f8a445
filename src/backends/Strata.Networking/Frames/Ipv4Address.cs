using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Frames;

/// <summary>An IPv4 address as a number.</summary>
/// <param name="Value">The first byte on the wire is bits 31..24.</param>
public readonly record struct Ipv4Address(uint Value)
{
    public static Ipv4Address Any => default;

    public static Ipv4Address Broadcast => new(uint.MaxValue);

    /// <summary>224.0.0.0/4.</summary>
    public bool IsMulticast => Value >> 28 == 0xE;

    /// <summary>127.0.0.0/8.</summary>
    public bool IsLoopback => Value >> 24 == 127;

    public static Ipv4Address Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt32BigEndian(bytes));

    /// <exception cref="ArgumentException">It is no IPv4 address.</exception>
    public static Ipv4Address From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        IPAddress mapped = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return mapped.AddressFamily == AddressFamily.InterNetwork
            ? Read(mapped.GetAddressBytes())
            : throw new ArgumentException($"{address} is no IPv4 address.", nameof(address));
    }

    /// <summary>Reads four decimal numbers with dots between them.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Ipv4Address address)
    {
        bool good = text?.Count(c => c == '.') == 3 & IPAddress.TryParse(text, out IPAddress? parsed)
            && parsed!.AddressFamily == AddressFamily.InterNetwork;
        address = good ? From(parsed!) : default;
        return good;
    }

    /// <summary>Reads a literal of the program's own.</summary>
    public static Ipv4Address Parse(string text) =>
        TryParse(text, out Ipv4Address address) ? address : throw new FormatException($"\"{text}\" is no IPv4 address.");

    public void Write(Span<byte> place) => BinaryPrimitives.WriteUInt32BigEndian(place, Value);

    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[4];
        Write(bytes);
        return new IPAddress(bytes);
    }

    public override string ToString() => $"{Value >> 24}.{(Value >> 16) & 0xFF}.{(Value >> 8) & 0xFF}.{Value & 0xFF}";
}
