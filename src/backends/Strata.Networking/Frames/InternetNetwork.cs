using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Strata.Networking.Frames;

/// <summary>A range of addresses of one Internet protocol that share a prefix. RFC 4632, "CIDR"; RFC 4291, section 2.3.</summary>
/// <param name="Address">Any address of the range; it says of which protocol all of them are.</param>
/// <param name="PrefixLength">Leading bits that are equal, 0..32 for IPv4 and 0..128 for IPv6.</param>
public readonly record struct InternetNetwork(InternetAddress Address, int PrefixLength)
{
    private const int Ipv4Bits = 32;
    private const int Ipv6Bits = 128;

    /// <summary>Of the number that holds addresses of both protocols.</summary>
    private UInt128 Mask
    {
        get
        {
            int length = Address.IsIpv4 ? PrefixLength + Ipv6Bits - Ipv4Bits : PrefixLength;
            return length == 0 ? 0 : UInt128.MaxValue << (Ipv6Bits - length);
        }
    }

    public static implicit operator InternetNetwork(Ipv4Network network) => new(network.Address, network.PrefixLength);

    public bool Contains(InternetAddress address) => address.IsIpv4 == Address.IsIpv4 && ((address.Value ^ Address.Value) & Mask) == 0;

    /// <summary>Reads ADDRESS or ADDRESS/LENGTH.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out InternetNetwork network)
    {
        network = default;
        string[] parts = text?.Split('/') ?? [];
        if (parts.Length is not (1 or 2) || !InternetAddress.TryParse(parts[0], out InternetAddress address))
        {
            return false;
        }

        int most = address.IsIpv4 ? Ipv4Bits : Ipv6Bits;
        int length = most;
        if (parts.Length == 2 && (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > most))
        {
            return false;
        }

        network = new InternetNetwork(address, length);
        return true;
    }

    /// <summary>Reads a literal of the program's own.</summary>
    public static InternetNetwork Parse(string text) =>
        TryParse(text, out InternetNetwork network) ? network : throw new FormatException($"\"{text}\" is no range of IP addresses.");

    public override string ToString() => $"{new InternetAddress(Address.Value & Mask)}/{PrefixLength}";
}
