using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Strata.Networking.Frames;

/// <summary>A 48-bit Ethernet address. IEEE 802.3, "MAC frame format".</summary>
/// <param name="Value">The first byte on the wire is bits 47..40.</param>
public readonly record struct MacAddress(ulong Value)
{
    /// <summary>Bytes.</summary>
    public const int Size = 6;

    public static MacAddress Broadcast => new(0xFFFF_FFFF_FFFF);

    /// <summary>Multicast or broadcast: no station's own address.</summary>
    public bool IsGroup => (Value >> 40 & 1) != 0;

    public static MacAddress Read(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = 0; i < Size; i++)
        {
            value = (value << 8) | bytes[i];
        }

        return new MacAddress(value);
    }

    public void Write(Span<byte> place)
    {
        for (int i = 0; i < Size; i++)
        {
            place[i] = (byte)(Value >> (40 - (8 * i)));
        }
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        Write(bytes);
        return bytes;
    }

    /// <summary>Reads six pairs of hexadecimal digits with colons between them.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out MacAddress address)
    {
        address = default;
        string[] parts = text?.Split(':') ?? [];
        ulong value = 0;
        foreach (string part in parts)
        {
            if (part.Length != 2 || !byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte one))
            {
                return false;
            }

            value = (value << 8) | one;
        }

        address = new MacAddress(value);
        return parts.Length == Size;
    }

    public override string ToString() => string.Join(':', ToBytes().Select(part => part.ToString("x2", CultureInfo.InvariantCulture)));
}
