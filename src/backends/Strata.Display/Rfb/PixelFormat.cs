using System.Buffers.Binary;

namespace Strata.Display.Rfb;

/// <summary>How a client wants its pixels: PIXEL_FORMAT of RFC 6143, section 7.4.</summary>
/// <param name="BitsPerPixel">8, 16 or 32.</param>
/// <param name="Depth">Bits of them that matter.</param>
/// <param name="IsBigEndian">Order of the bytes of a pixel.</param>
/// <param name="IsTrueColour">Whether a pixel holds its colour, or the number of one in a map.</param>
internal readonly record struct PixelFormat(
    byte BitsPerPixel, byte Depth, bool IsBigEndian, bool IsTrueColour, ushort RedMax, ushort GreenMax, ushort BlueMax, byte RedShift,
    byte GreenShift, byte BlueShift)
{
    /// <summary>Bytes of it in a message.</summary>
    public const int Size = 16;

    /// <summary>The format of our own pictures.</summary>
    public static PixelFormat Native { get; } = new(32, 24, false, true, 255, 255, 255, 16, 8, 0);

    /// <summary>The colours of the map that we give to clients without true colour: three bits of red and green, two of blue.</summary>
    public static PixelFormat Map { get; } = new(8, 8, false, true, 7, 7, 3, 5, 2, 0);

    /// <summary>Bytes of a pixel.</summary>
    public int Bytes => BitsPerPixel / 8;

    /// <summary>Reads a format as a client sent it.</summary>
    /// <exception cref="RfbException">It is none that can be served.</exception>
    public static PixelFormat Read(ReadOnlySpan<byte> bytes)
    {
        PixelFormat format = new(
            bytes[0], bytes[1], bytes[2] != 0, bytes[3] != 0, BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]),
            BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]), BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]), bytes[10], bytes[11],
            bytes[12]);
        if (format.BitsPerPixel is not (8 or 16 or 32))
        {
            throw new RfbException($"its pixels have {format.BitsPerPixel} bits, where 8, 16 and 32 are served");
        }

        if (!format.IsTrueColour)
        {
            return format.BitsPerPixel == 8 ? format : throw new RfbException("it asks for a colour map with more than 8 bits a pixel");
        }

        if (!format.Fits(format.RedMax, format.RedShift) || !format.Fits(format.GreenMax, format.GreenShift)
            || !format.Fits(format.BlueMax, format.BlueShift))
        {
            throw new RfbException("its colours do not fit into its pixels");
        }

        return format;
    }

    /// <summary>Writes it as a server sends it.</summary>
    public void Write(Span<byte> bytes)
    {
        bytes[..Size].Clear();
        bytes[0] = BitsPerPixel;
        bytes[1] = Depth;
        bytes[2] = IsBigEndian ? (byte)1 : (byte)0;
        bytes[3] = IsTrueColour ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], RedMax);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], GreenMax);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[8..], BlueMax);
        bytes[10] = RedShift;
        bytes[11] = GreenShift;
        bytes[12] = BlueShift;
    }

    private bool Fits(ushort max, byte shift) => shift < 32 && (((ulong)max << shift) >> BitsPerPixel) == 0;
}
