using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Strata.Networking.Frames;

/// <summary>A range of IPv4 addresses that share a prefix. RFC 4632, "CIDR".</summary>
/// <param name="Address">Any address of the range.</param>
/// <param name="PrefixLength">Leading bits that are equal, 0..32.</param>
public readonly record struct Ipv4Network(Ipv4Address Address, int PrefixLength)
{
    public static Ipv4Network All => new(Ipv4Address.Any, 0);

    public Ipv4Address Mask => new(PrefixLength == 0 ? 0 : uint.MaxValue << (32 - PrefixLength));

    public Ipv4Address BroadcastAddress => new(Address.Value | ~Mask.Value);

    public bool Contains(Ipv4Address address) => ((address.Value ^ Address.Value) & Mask.Value) == 0;

    /// <summary>Reads ADDRESS or ADDRESS/LENGTH.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Ipv4Network network)
    {
        network = default;
        string[] parts = text?.Split('/') ?? [];
        if (parts.Length is not (1 or 2) || !Ipv4Address.TryParse(parts[0], out Ipv4Address address))
        {
            return false;
        }

        int length = 32;
        if (parts.Length == 2 && (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > 32))
        {
            return false;
        }

        network = new Ipv4Network(address, length);
        return true;
    }

    public override string ToString() => $"{new Ipv4Address(Address.Value & Mask.Value)}/{PrefixLength}";
}
