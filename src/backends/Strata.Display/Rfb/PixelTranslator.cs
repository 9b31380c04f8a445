using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Strata.Display.Rfb;

/// <summary>Turns pixels of a picture into a client's. Immutable.</summary>
internal sealed class PixelTranslator
{
    private readonly uint[] _red;
    private readonly uint[] _green;
    private readonly uint[] _blue;
    private readonly int _bytes;
    private readonly bool _isBigEndian;
    private readonly bool _isNative;
    private readonly int _compactFrom; // the first byte of three that matter, or -1

    public PixelTranslator(PixelFormat format)
    {
        Format = format;
        PixelFormat colours = format.IsTrueColour ? format : PixelFormat.Map;
        _red = Scale(colours.RedMax, colours.RedShift);
        _green = Scale(colours.GreenMax, colours.GreenShift);
        _blue = Scale(colours.BlueMax, colours.BlueShift);
        _bytes = format.Bytes;
        _isBigEndian = format.IsBigEndian;
        _isNative = format with { Depth = 24 } == PixelFormat.Native && BitConverter.IsLittleEndian;
        _compactFrom = FindCompact(colours);
    }

    public PixelFormat Format { get; }

    /// <summary>Bytes of a pixel.</summary>
    public int Bytes => _bytes;

    /// <summary>Bytes of a CPIXEL (RFC 6143, section 7.7.5).</summary>
    public int CompactBytes => _compactFrom < 0 ? _bytes : 3;

    /// <summary>Whether Tight sends a pixel as its red, green and blue bytes.</summary>
    public bool IsTightColour => Format is { BitsPerPixel: 32, Depth: 24, IsTrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255 };

    /// <summary>The client's number for a colour.</summary>
    public uint Map(uint colour) => _red[(byte)(colour >> 16)] | _green[(byte)(colour >> 8)] | _blue[(byte)colour];

    /// <summary>Writes pixels one behind the other.</summary>
    public void Write(ReadOnlySpan<uint> colours, RfbWriter writer)
    {
        Span<byte> bytes = writer.Take(colours.Length * _bytes);
        if (_isNative)
        {
            MemoryMarshal.AsBytes(colours).CopyTo(bytes);
            return;
        }

        for (int i = 0; i < colours.Length; i++)
        {
            Put(Map(colours[i]), bytes[(i * _bytes)..]);
        }
    }

    /// <summary>Writes one pixel.</summary>
    public void Write(uint colour, RfbWriter writer) => Put(Map(colour), writer.Take(_bytes));

    /// <summary>Writes one pixel as a CPIXEL.</summary>
    public void WriteCompact(uint colour, RfbWriter writer)
    {
        if (_compactFrom < 0)
        {
            Write(colour, writer);
            return;
        }

        Span<byte> whole = stackalloc byte[4];
        Put(Map(colour), whole);
        whole.Slice(_compactFrom, 3).CopyTo(writer.Take(3));
    }

    /// <summary>Writes one pixel as a TPIXEL of Tight.</summary>
    public void WriteTight(uint colour, RfbWriter writer)
    {
        if (!IsTightColour)
        {
            Write(colour, writer);
            return;
        }

        Span<byte> bytes = writer.Take(3);
        bytes[0] = (byte)(colour >> 16);
        bytes[1] = (byte)(colour >> 8);
        bytes[2] = (byte)colour;
    }

    private void Put(uint value, Span<byte> bytes)
    {
        switch (_bytes)
        {
            case 1:
                bytes[0] = (byte)value;
                break;
            case 2 when _isBigEndian:
                BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)value);
                break;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
                break;
            default:
                if (_isBigEndian)
                {
                    BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
                }
                else
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
                }

                break;
        }
    }

    private static uint[] Scale(ushort max, byte shift)
    {
        uint[] scaled = new uint[256];
        for (uint i = 0; i < 256; i++)
        {
            scaled[i] = ((i * max) + 127) / 255 << shift;
        }

        return scaled;
    }

    /// <summary>Three bytes do where all colours are in the lower or in the upper three of a pixel's four.</summary>
    private int FindCompact(PixelFormat colours)
    {
        if (colours.BitsPerPixel != 32 || colours.Depth > 24)
        {
            return -1;
        }

        uint used = ((uint)colours.RedMax << colours.RedShift) | ((uint)colours.GreenMax << colours.GreenShift)
            | ((uint)colours.BlueMax << colours.BlueShift);
        return (used & 0xFF00_0000) == 0 ? (_isBigEndian ? 1 : 0) : (used & 0xFF) == 0 ? (_isBigEndian ? 0 : 1) : -1;
    }
}
