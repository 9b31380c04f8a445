using System.Buffers.Binary;
using Strata.Core.Display;
using static Strata.Devices.Display.VgaRegisters;

namespace Strata.Devices.Display;

/// <content>What shows.</content>
public sealed partial class Vga
{
    private const int GlyphBytes = 32;
    private const int BlankWidth = 640;
    private const int BlankHeight = 400;

    private bool IsText => !_vbe.IsEnabled && (_graphics[GraphicsMisc] & GraphicsEnabled) == 0;

    private bool IsBlank => !_vbe.IsEnabled && ((_attributeIndex & PaletteSource) == 0 || (_sequencer[ClockingMode] & ScreenOff) != 0);

    private int GlyphWidth => (_sequencer[ClockingMode] & EightDots) != 0 ? 8 : 9;

    /// <inheritdoc/>
    public void Update(ScreenPicture picture, ICollection<ScreenRectangle> changed)
    {
        ArgumentNullException.ThrowIfNull(picture);
        lock (_looking)
        {
            bool written = HasBeenWritten();
            lock (_gate)
            {
                _hasTold = false;
                _version += HasBeenDrawn() || written ? 1 : 0;
                if (picture.Shows(this, _version))
                {
                    return;
                }

                GiveText();
                Paint(picture, changed);
                picture.NoteShown(this, _version);
            }
        }
    }

    /// <summary>Under _gate.</summary>
    private void Paint(ScreenPicture picture, ICollection<ScreenRectangle> changed)
    {
        if (IsBlank)
        {
            picture.Paint(BlankWidth, BlankHeight, pixels => pixels.Clear(), changed);
        }
        else if (_vbe is { IsEnabled: true, BitsPerPixel: > 4 })
        {
            picture.Paint(_vbe.Width, _vbe.Height, PaintLinear, changed);
        }
        else if (_vbe.IsEnabled)
        {
            picture.Paint(_vbe.Width, _vbe.Height, PaintPlanarMode, changed);
        }
        else if (IsText)
        {
            (int columns, int rows) = TextSize();
            picture.Paint(columns * GlyphWidth, Math.Max(rows * new VgaGeometry(_crtc).RowLines, 1), PaintText, changed);
        }
        else
        {
            PaintVgaGraphics(picture, changed);
        }
    }

    /// <inheritdoc/>
    public ScreenText? ReadText()
    {
        lock (_gate)
        {
            if (IsText)
            {
                GiveText();
                return ReadTextMode();
            }
        }

        lock (_reading)
        {
            _pictureText ??= new PictureText(ScreenFont.FindAll(Program.Span), FindFonts);
            _readChanges.Clear();
            Update(_readPicture, _readChanges);
            return _pictureText.Read(_readPicture, _readChanges);
        }
    }

    /// <summary>Under _gate.</summary>
    private ScreenText ReadTextMode()
    {
        (int columns, int rows) = TextSize();
        VgaGeometry geometry = new(_crtc);
        ushort[] cells = new ushort[columns * rows];
        int? cursor = null;
        for (int row = 0; row < rows; row++)
        {
            int at = geometry.AddressOfText(row);
            for (int column = 0; column < columns; column++)
            {
                cells[(row * columns) + column] = IsBlank ? (ushort)0 : (ushort)ReadCell(at + column);
                cursor = at + column == geometry.Cursor && HasCursor ? (row * columns) + column : cursor;
            }
        }

        return new ScreenText(columns, rows, cells, cursor);
    }

    private bool HasCursor => (_crtc[CursorStart] & CursorOff) == 0 && (_crtc[CursorStart] & 0x1F) <= (_crtc[CursorEnd] & 0x1F);

    private (int Columns, int Rows) TextSize()
    {
        VgaGeometry geometry = new(_crtc);
        return (geometry.Columns, geometry.Lines / geometry.RowLines);
    }

    /// <summary>A byte a plane; planes end where the memory does, and begin anew.</summary>
    private uint ReadCell(int offset) => ReadPlanes(offset & (int)((Memory.Size / 4) - 1));

    /// <summary>The colour of an entry of the DAC, as 0x00RRGGBB.</summary>
    private uint ColorOf(int index)
    {
        int at = (index & _pixelMask) * 3;
        return (Widen(_dac[at]) << 16) | (Widen(_dac[at + 1]) << 8) | Widen(_dac[at + 2]);
    }

    private uint Widen(byte component) => _vbe.HasWideDac ? component : (uint)((component << 2) | ((component >> 4) & 3)) & 0xFF;

    /// <summary>The colours of the attribute controller's sixteen.</summary>
    private uint[] Palette()
    {
        uint[] colors = new uint[16];
        for (int i = 0; i < colors.Length; i++)
        {
            int index = (_attributes[AttributeMode] & PaletteFive) != 0
                ? (_attributes[i] & 0x0F) | ((_attributes[ColorSelect] & 0x0F) << 4)
                : (_attributes[i] & 0x3F) | ((_attributes[ColorSelect] & 0x0C) << 4);
            colors[i] = ColorOf(index);
        }

        return colors;
    }

    private void PaintText(Span<uint> pixels)
    {
        (int columns, int rows) = TextSize();
        VgaGeometry geometry = new(_crtc);
        uint[] palette = Palette();
        int width = columns * GlyphWidth;
        for (int row = 0; row < rows; row++)
        {
            int at = geometry.AddressOfText(row);
            for (int column = 0; column < columns; column++)
            {
                uint cell = ReadCell(at + column);
                bool hasCursor = HasCursor && at + column == geometry.Cursor;
                PaintGlyph(
                    pixels[((row * geometry.RowLines * width) + (column * GlyphWidth))..], width, geometry.RowLines, cell, hasCursor,
                    palette);
            }
        }
    }

    private void PaintGlyph(Span<uint> pixels, int pitch, int lines, uint cell, bool hasCursor, uint[] palette)
    {
        byte code = (byte)cell;
        byte attribute = (byte)(cell >> 8);
        uint front = palette[attribute & 0xF];
        bool blinks = (_attributes[AttributeMode] & Blink) != 0;
        uint back = palette[(attribute >> 4) & (blinks ? 7 : 0xF)];
        bool isLine = code is >= 0xC0 and <= 0xDF && (_attributes[AttributeMode] & LineGraphics) != 0;
        int font = FontStart((attribute & 8) != 0) + (code * GlyphBytes);
        int cursorFirst = _crtc[CursorStart] & 0x1F;
        int cursorLast = _crtc[CursorEnd] & 0x1F;
        for (int line = 0; line < lines; line++)
        {
            byte glyph = (byte)(ReadCell(font + line) >> 16);
            int dots = (glyph << 1) | (isLine ? glyph & 1 : 0);
            dots = hasCursor && line >= cursorFirst && line <= cursorLast ? 0x1FF : dots;
            Span<uint> target = pixels.Slice(line * pitch, GlyphWidth);
            for (int x = 0; x < target.Length; x++)
            {
                target[x] = (dots & (0x100 >> x)) != 0 ? front : back;
            }
        }
    }

    /// <summary>Byte of plane 2 where a font begins; there are eight, and two are in use.</summary>
    private int FontStart(bool isSecond)
    {
        byte map = _sequencer[CharacterMap];
        int number = isSecond ? ((map >> 5) & 1) | ((map >> 1) & 6) : ((map >> 4) & 1) | ((map << 1) & 6);
        return number * 0x2000;
    }

    private void PaintVgaGraphics(ScreenPicture picture, ICollection<ScreenRectangle> changed)
    {
        VgaGeometry geometry = new(_crtc);
        int rows = Math.Max(geometry.GraphicsRows, 1);
        switch ((_graphics[GraphicsMode] >> 5) & 3)
        {
            case 0:
                picture.Paint(geometry.Columns * 8, rows, PaintPlanar, changed);
                break;
            case 1:
                picture.Paint(geometry.Columns * 8, rows, PaintPairs, changed);
                break;
            default:
                picture.Paint(geometry.Columns * 4, rows, PaintBytes, changed);
                break;
        }
    }

    private void PaintPlanar(Span<uint> pixels)
    {
        VgaGeometry geometry = new(_crtc);
        int width = geometry.Columns * 8;
        uint[] palette = Palette();
        for (int row = 0; row < geometry.GraphicsRows; row++)
        {
            PaintPlanarLine(pixels.Slice(row * width, width), geometry.AddressOf(row), _attributes[HorizontalPan] & 7, palette);
        }
    }

    /// <summary>Sixteen colours in a mode of the display interface.</summary>
    private void PaintPlanarMode(Span<uint> pixels)
    {
        uint[] palette = Palette();
        for (int row = 0; row < _vbe.Height; row++)
        {
            int at = (int)((_vbe.Start + ((long)row * _vbe.LineBytes)) / 4);
            PaintPlanarLine(pixels.Slice(row * _vbe.Width, _vbe.Width), at, 0, palette);
        }
    }

    private void PaintPlanarLine(Span<uint> line, int at, int pan, uint[] palette)
    {
        int enabled = _attributes[PlaneEnable] & 0xF;
        for (int x = 0; x < line.Length; x++)
        {
            int dot = x + pan;
            uint planes = ReadCell(at + (dot >> 3)) >> (7 - (dot & 7));
            uint color = (planes & 1) | ((planes >> 7) & 2) | ((planes >> 14) & 4) | ((planes >> 21) & 8);
            line[x] = palette[color & (uint)enabled];
        }
    }

    /// <summary>Four colours, two bits a pixel: planes 0 and 2 have the even groups of four pixels, planes 1 and 3 the odd ones.</summary>
    private void PaintPairs(Span<uint> pixels)
    {
        VgaGeometry geometry = new(_crtc);
        int width = geometry.Columns * 8;
        uint[] palette = Palette();
        for (int row = 0; row < geometry.GraphicsRows; row++)
        {
            int at = geometry.AddressOf(row);
            for (int x = 0; x < width; x++)
            {
                uint planes = ReadCell(at + (x >> 3)) >> ((x & 4) != 0 ? 8 : 0);
                int shift = 6 - ((x & 3) * 2);
                uint color = ((planes >> shift) & 3) | (((planes >> (16 + shift)) & 3) << 2);
                pixels[(row * width) + x] = palette[color & _attributes[PlaneEnable] & 0xFu];
            }
        }
    }

    /// <summary>256 colours, four pixels in the four planes.</summary>
    private void PaintBytes(Span<uint> pixels)
    {
        VgaGeometry geometry = new(_crtc);
        int width = geometry.Columns * 4;
        for (int row = 0; row < geometry.GraphicsRows; row++)
        {
            int at = geometry.AddressOf(row);
            for (int x = 0; x < width; x++)
            {
                int dot = x + ((_attributes[HorizontalPan] & 7) >> 1);
                pixels[(row * width) + x] = ColorOf((byte)(ReadCell(at + (dot >> 2)) >> (8 * (dot & 3))));
            }
        }
    }

    private void PaintLinear(Span<uint> pixels)
    {
        ReadOnlySpan<byte> memory = Bytes;
        uint[] colors = _vbe.BitsPerPixel == 8 ? [.. Enumerable.Range(0, 256).Select(ColorOf)] : [];
        for (int row = 0; row < _vbe.Height; row++)
        {
            Span<uint> line = pixels.Slice(row * _vbe.Width, _vbe.Width);
            ReadOnlySpan<byte> source = memory[(int)(_vbe.Start + ((long)row * _vbe.LineBytes))..];
            switch (_vbe.BitsPerPixel)
            {
                case 8:
                    for (int x = 0; x < line.Length; x++)
                    {
                        line[x] = colors[source[x]];
                    }

                    break;
                case 15 or 16:
                    PaintWords(line, source, isFive: _vbe.BitsPerPixel == 15);
                    break;
                case 24:
                    for (int x = 0; x < line.Length; x++)
                    {
                        line[x] = source[x * 3] | ((uint)source[(x * 3) + 1] << 8) | ((uint)source[(x * 3) + 2] << 16);
                    }

                    break;
                default:
                    for (int x = 0; x < line.Length; x++)
                    {
                        line[x] = BinaryPrimitives.ReadUInt32LittleEndian(source[(x * 4)..]) & 0xFFFFFF;
                    }

                    break;
            }
        }
    }

    private static void PaintWords(Span<uint> line, ReadOnlySpan<byte> source, bool isFive)
    {
        for (int x = 0; x < line.Length; x++)
        {
            uint value = BinaryPrimitives.ReadUInt16LittleEndian(source[(x * 2)..]);
            uint red = (value >> (isFive ? 10 : 11)) & 0x1F;
            uint green = isFive ? ((value >> 5) & 0x1F) << 1 : (value >> 5) & 0x3F;
            uint blue = value & 0x1F;
            line[x] = (((red << 3) | (red >> 2)) << 16) | (((green << 2) | (green >> 4)) << 8) | (blue << 3) | (blue >> 2);
        }
    }
}
