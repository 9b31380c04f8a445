using System.Buffers.Binary;
using System.IO.Compression;
using Strata.Core.Display;
using Strata.Display.Rfb;

namespace Strata.Display.Tests.Harness;

/// <summary>
/// Decodes rectangles as RFC 6143, section 7.7, and TightVNC's description have them, into pixels of the client's format.
/// </summary>
internal sealed class RectangleDecoder(Stream stream) : IDisposable
{
    private readonly Inflater _zrle = new();
    private readonly Inflater[] _tight = [new(), new(), new(), new()];

    public int Width { get; private set; }

    public int Height { get; private set; }

    public PixelFormat Format { get; set; }

    public uint[] Pixels { get; private set; } = [];

    private bool IsTightColour => Format is { BitsPerPixel: 32, Depth: 24, RedMax: 255, GreenMax: 255, BlueMax: 255, IsTrueColour: true };

    public void Resize(int width, int height)
    {
        (Width, Height) = (width, height);
        Pixels = new uint[width * height];
    }

    public void Dispose()
    {
        _zrle.Dispose();
        Array.ForEach(_tight, inflater => inflater.Dispose());
    }

    public async Task DecodeAsync(ScreenRectangle area, int encoding)
    {
        switch (encoding)
        {
            case RfbEncoding.Raw:
                Put(area, ToPixels(await ReadAsync(area.Width * area.Height * Format.Bytes), Format.Bytes));
                break;
            case RfbEncoding.CopyRect:
                byte[] from = await ReadAsync(4);
                Put(area, Get(area with { X = BinaryPrimitives.ReadUInt16BigEndian(from), Y = BinaryPrimitives.ReadUInt16BigEndian(
                    from.AsSpan(2)) }));
                break;
            case RfbEncoding.Hextile:
                await DecodeTilesAsync(area, 16, HextileAsync);
                break;
            case RfbEncoding.Zrle:
                _zrle.Add(await ReadAsync(BinaryPrimitives.ReadInt32BigEndian(await ReadAsync(4))));
                await DecodeTilesAsync(area, 64, ZrleAsync);
                break;
            case RfbEncoding.Tight:
                await TightAsync(area);
                break;
            case RfbEncoding.DesktopSize:
                Resize(area.Width, area.Height);
                break;
            case RfbEncoding.ExtendedDesktopSize:
                await ReadAsync(4 + ((await ReadAsync(4))[0] * 16) - 4);
                Resize(area.Width, area.Height);
                break;
            case RfbEncoding.Cursor:
                await ReadAsync((area.Width * area.Height * Format.Bytes) + ((area.Width + 7) / 8 * area.Height));
                break;
            case RfbEncoding.ExtendedKeyEvent or RfbEncoding.PointerMotionChange:
                break;
            default:
                Assert.Fail($"encoding {encoding}");
                break;
        }
    }

    private static async Task DecodeTilesAsync(ScreenRectangle area, int side, Func<ScreenRectangle, Task> decode)
    {
        for (int y = area.Y; y < area.Bottom; y += side)
        {
            for (int x = area.X; x < area.Right; x += side)
            {
                await decode(new ScreenRectangle(x, y, Math.Min(side, area.Right - x), Math.Min(side, area.Bottom - y)));
            }
        }
    }

    private async Task HextileAsync(ScreenRectangle tile)
    {
        byte mask = (await ReadAsync(1))[0];
        if ((mask & 1) != 0)
        {
            Put(tile, ToPixels(await ReadAsync(tile.Width * tile.Height * Format.Bytes), Format.Bytes));
            return;
        }

        Fill(tile, (await PixelsAsync((mask & 2) != 0 ? 1 : 0)).Single());
        uint foreground = (mask & 4) != 0 ? (await PixelsAsync(1))[0] : 0;
        int count = (mask & 8) != 0 ? (await ReadAsync(1))[0] : 0;
        for (int i = 0; i < count; i++)
        {
            uint colour = (mask & 16) != 0 ? (await PixelsAsync(1))[0] : foreground;
            byte[] place = await ReadAsync(2);
            Fill(new ScreenRectangle(tile.X + (place[0] >> 4), tile.Y + (place[0] & 15), (place[1] >> 4) + 1, (place[1] & 15) + 1), colour);
        }
    }

    private Task ZrleAsync(ScreenRectangle tile)
    {
        int size = Format is { BitsPerPixel: 32, Depth: <= 24 } ? 3 : Format.Bytes;
        int kind = _zrle.Take(1)[0];
        int count = tile.Width * tile.Height;
        if (kind == 0)
        {
            Put(tile, ToPixels(_zrle.Take(count * size), size));
            return Task.CompletedTask;
        }

        uint[] palette = ToPixels(_zrle.Take((kind & 127) * size), size);
        if (kind == 1)
        {
            Fill(tile, palette[0]);
        }
        else if (kind <= 16)
        {
            Put(tile, Unpack(tile, palette));
        }
        else
        {
            Put(tile, Runs(count, size, palette));
        }

        return Task.CompletedTask;
    }

    private uint[] Unpack(ScreenRectangle tile, uint[] palette)
    {
        int bits = palette.Length <= 2 ? 1 : palette.Length <= 4 ? 2 : 4;
        List<uint> pixels = [];
        for (int y = 0; y < tile.Height; y++)
        {
            byte[] line = _zrle.Take(((tile.Width * bits) + 7) / 8);
            for (int x = 0; x < tile.Width; x++)
            {
                pixels.Add(palette[line[x * bits / 8] >> (8 - bits - (x * bits % 8)) & ((1 << bits) - 1)]);
            }
        }

        return [.. pixels];
    }

    private uint[] Runs(int count, int size, uint[] palette)
    {
        List<uint> pixels = [];
        while (pixels.Count < count)
        {
            byte index = palette.Length > 0 ? _zrle.Take(1)[0] : (byte)128;
            uint colour = palette.Length > 0 ? palette[index & 127] : ToPixels(_zrle.Take(size), size)[0];
            int length = 1;
            byte more = 255;
            while ((index & 128) != 0 && more == 255)
            {
                more = _zrle.Take(1)[0];
                length += more;
            }

            pixels.AddRange(Enumerable.Repeat(colour, length));
        }

        return [.. pixels];
    }

    private async Task TightAsync(ScreenRectangle area)
    {
        byte control = (await ReadAsync(1))[0];
        if (control == 0x80)
        {
            Fill(area, (await TightPixelsAsync(1))[0]);
            return;
        }

        Assert.Equal(0, control & 0x8F); // basic, and no stream begins anew
        Inflater inflater = _tight[(control >> 4) & 3];
        bool hasPalette = (control & 0x40) != 0 && (await ReadAsync(1))[0] == 1;
        uint[] palette = hasPalette ? await TightPixelsAsync((await ReadAsync(1))[0] + 1) : [];
        int count = area.Width * area.Height;
        if (palette.Length == 0)
        {
            int size = IsTightColour ? 3 : Format.Bytes;
            Put(area, TightPixels(await TightDataAsync(count * size, inflater)));
        }
        else if (palette.Length == 2)
        {
            byte[] bits = await TightDataAsync((area.Width + 7) / 8 * area.Height, inflater);
            Put(area, [.. Enumerable.Range(0, count).Select(i =>
                palette[bits[(i / area.Width * ((area.Width + 7) / 8)) + (i % area.Width / 8)] >> (7 - (i % area.Width % 8)) & 1])]);
        }
        else
        {
            Put(area, [.. (await TightDataAsync(count, inflater)).Select(index => palette[index])]);
        }
    }

    private async Task<byte[]> TightDataAsync(int size, Inflater inflater)
    {
        if (size < 12)
        {
            return await ReadAsync(size);
        }

        int length = 0;
        for (int i = 0; i < 3; i++)
        {
            byte part = (await ReadAsync(1))[0];
            length |= (i < 2 ? part & 0x7F : part) << (7 * i);
            if (i < 2 && part < 0x80)
            {
                break;
            }
        }

        inflater.Add(await ReadAsync(length));
        return inflater.Take(size);
    }

    private async Task<uint[]> TightPixelsAsync(int count) => TightPixels(await ReadAsync(count * (IsTightColour ? 3 : Format.Bytes)));

    private uint[] TightPixels(byte[] bytes) => !IsTightColour
        ? ToPixels(bytes, Format.Bytes)
        : [.. Enumerable.Range(0, bytes.Length / 3).Select(i =>
            ((uint)bytes[i * 3] << Format.RedShift)
                | ((uint)bytes[(i * 3) + 1] << Format.GreenShift)
                | ((uint)bytes[(i * 3) + 2] << Format.BlueShift))];

    private async Task<uint[]> PixelsAsync(int count) => ToPixels(await ReadAsync(count * Format.Bytes), Format.Bytes);

    /// <summary>Three bytes are the lower or the upper ones of four.</summary>
    private uint[] ToPixels(byte[] bytes, int size)
    {
        bool isUpper = size == 3 && (
            (Format.RedMax << Format.RedShift) | (Format.GreenMax << Format.GreenShift) | (Format.BlueMax << Format.BlueShift)) >> 24 != 0;
        uint[] pixels = new uint[bytes.Length / size];
        for (int i = 0; i < pixels.Length; i++)
        {
            for (int b = 0; b < size; b++)
            {
                int shift = 8 * (Format.IsBigEndian ? size - 1 - b : b);
                pixels[i] |= (uint)bytes[(i * size) + b] << shift;
            }

            pixels[i] <<= isUpper ? 8 : 0;
        }

        return pixels;
    }

    private uint[] Get(ScreenRectangle area) =>
        [.. Enumerable.Range(0, area.Height).SelectMany(y => Pixels.AsSpan(((area.Y + y) * Width) + area.X, area.Width).ToArray())];

    private void Put(ScreenRectangle area, uint[] pixels)
    {
        Assert.Equal(area.Width * area.Height, pixels.Length);
        for (int y = 0; y < area.Height; y++)
        {
            pixels.AsSpan(y * area.Width, area.Width).CopyTo(Pixels.AsSpan(((area.Y + y) * Width) + area.X));
        }
    }

    private void Fill(ScreenRectangle area, uint colour) => Put(area, [.. Enumerable.Repeat(colour, area.Width * area.Height)]);

    private async Task<byte[]> ReadAsync(int count)
    {
        byte[] bytes = new byte[count];
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        await stream.ReadExactlyAsync(bytes, limit.Token);
        return bytes;
    }

    /// <summary>A zlib stream that goes on from rectangle to rectangle.</summary>
    private sealed class Inflater : IDisposable
    {
        private readonly MemoryStream _packed = new();
        private ZLibStream? _plain;

        public void Add(byte[] packed)
        {
            long at = _packed.Position;
            _packed.Position = _packed.Length;
            _packed.Write(packed);
            _packed.Position = at;
            _plain ??= new ZLibStream(_packed, CompressionMode.Decompress);
        }

        public void Dispose()
        {
            _plain?.Dispose();
            _packed.Dispose();
        }

        public byte[] Take(int count)
        {
            byte[] bytes = new byte[count];
            _plain!.ReadExactly(bytes);
            return bytes;
        }
    }
}
