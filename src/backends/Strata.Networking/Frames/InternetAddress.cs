using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Strata.Networking.Frames;

/// <summary>
/// An address of either Internet protocol, as a number. An IPv4 address is kept as an IPv4-mapped IPv6 address, as sockets of both
/// protocols do; so no packet may name such an address itself. RFC 4291, "IP Version 6 Addressing Architecture".
/// </summary>
/// <param name="Value">The first byte on the wire is bits 127..120.</param>
public readonly record struct InternetAddress(UInt128 Value)
{
    /// <summary>Bytes of an IPv6 address.</summary>
    public const int Size = 16;

    private const ushort MappedPrefix = 0xFFFF; // bits 47..32, RFC 4291, section 2.5.5.2

    /// <summary>The unspecified IPv6 address.</summary>
    public static InternetAddress Any => default;

    /// <summary>ff02::1.</summary>
    public static InternetAddress AllNodes => new(new UInt128(0xFF02_0000_0000_0000, 1));

    /// <summary>ff02::2.</summary>
    public static InternetAddress AllRouters => new(new UInt128(0xFF02_0000_0000_0000, 2));

    /// <summary>fe80::2, the router of every user-mode network.</summary>
    internal static InternetAddress Router => new(new UInt128(0xFE80_0000_0000_0000, 2));

    public bool IsIpv4 => Value >> 32 == MappedPrefix;

    /// <summary>The IPv4 address; only where <see cref="IsIpv4"/>.</summary>
    public Ipv4Address Ipv4 => new((uint)Value);

    /// <summary>:: or 0.0.0.0.</summary>
    public bool IsUnspecified => Value == 0 || (IsIpv4 && (uint)Value == 0);

    /// <summary>ff00::/8 or 224.0.0.0/4.</summary>
    public bool IsMulticast => IsIpv4 ? Ipv4.IsMulticast : Value >> 120 == 0xFF;

    /// <summary>fe80::/10.</summary>
    public bool IsLinkLocal => Value >> 118 == 0xFE80 >> 6;

    /// <summary>::1 or 127.0.0.0/8.</summary>
    public bool IsLoopback => IsIpv4 ? Ipv4.IsLoopback : Value == 1;

    /// <summary>::/96: the unspecified and the loopback address, and what once were IPv4 addresses.</summary>
    public bool IsReserved => Value >> 32 == 0;

    /// <summary>The multicast group of those whose address ends like this one. RFC 4291, section 2.7.1.</summary>
    public InternetAddress SolicitedNode => new(new UInt128(0xFF02_0000_0000_0000, 0x0000_0001_FF00_0000UL | ((ulong)Value & 0xFF_FFFF)));

    /// <summary>Where a frame to this multicast address goes: 33:33 and its last 32 bits. RFC 2464, section 7.</summary>
    public MacAddress GroupMac => new(0x3333_0000_0000UL | (uint)Value);

    public static implicit operator InternetAddress(Ipv4Address address) =>
        new(new UInt128(0, ((ulong)MappedPrefix << 32) | address.Value));

    /// <summary>Reads an IPv6 address.</summary>
    public static InternetAddress Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>A zone (the %eth0 of a link-local address) does not belong to the number.</summary>
    public static InternetAddress From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.AddressFamily == AddressFamily.InterNetwork ? Ipv4Address.From(address) : Read(address.GetAddressBytes());
    }

    /// <summary>Reads four decimal numbers with dots between them, or an IPv6 address without a zone.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out InternetAddress address)
    {
        address = default;
        if (Ipv4Address.TryParse(text, out Ipv4Address ipv4))
        {
            address = ipv4;
            return true;
        }

        bool isBare = text is not null && text.IndexOfAny(['%', '[', '/']) < 0;
        if (!isBare || !IPAddress.TryParse(text, out IPAddress? parsed) || parsed.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return false;
        }

        address = From(parsed);
        return true;
    }

    /// <summary>Reads a literal of the program's own.</summary>
    public static InternetAddress Parse(string text) =>
        TryParse(text, out InternetAddress address) ? address : throw new FormatException($"\"{text}\" is no IP address.");

    /// <summary>Writes an IPv6 address.</summary>
    public void Write(Span<byte> place) => BinaryPrimitives.WriteUInt128BigEndian(place, Value);

    public IPAddress ToIPAddress()
    {
        if (IsIpv4)
        {
            return Ipv4.ToIPAddress();
        }

        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return new IPAddress(bytes);
    }

    public override string ToString() => ToIPAddress().ToString();
}
