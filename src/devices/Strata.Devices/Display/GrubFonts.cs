using System.Buffers.Binary;
using Strata.Core.Display;
using Strata.Core.Memory;

namespace Strata.Devices.Display;

/// <summary>
/// Finds the fonts of GRUB's graphical terminal in a guest's memory. GRUB reads the index of a font at once and a glyph when it first
/// needs it, those of ASCII at the terminal's start. In memory, entries of the index lead to glyphs, and these to the font:
/// <code>
/// entry:  32-bit code | 8-bit flags, 0 | 24 bits unused | 32-bit offset in the file | [32 bits unused] | glyph
/// glyph:  font | 16-bit width | 16-bit height | 16-bit left | 16-bit bottom | 16-bit advance | bits, row behind row, first bit 7
/// font:   name | file | family | 16-bit size | 16-bit weight | 16-bit largest width | 16-bit largest height | 16-bit ascent | …
/// </code>
/// A pointer has 32 bits where GRUB runs on a BIOS; on 64-bit UEFI it has 64, and the unused word is there. It is an address in the
/// machine's memory. Fonts whose letters are not eight pixels wide are left out.
/// </summary>
internal static class GrubFonts
{
    private const int OffsetOfFlags = 4;
    private const int LastAscii = '~';
    private const int LettersAndDigits = 26 + 26 + 10;

    private const int GlyphHeader = 10; // behind the pointer to the font
    private const int LargestGlyph = 64; // bytes, with the header and the pointer: a cell of the largest height has 32

    private const int PointersOfFont = 3;
    private const int OffsetOfHeight = 6; // behind the pointers
    private const int OffsetOfAscent = 8;
    private const int FontSize = OffsetOfAscent + sizeof(ushort);

    private static ReadOnlySpan<byte> LastEntry => [LastAscii, 0, 0, 0, 0];

    /// <summary>Searches a part of the memory for indexes; their glyphs may be anywhere.</summary>
    public static IReadOnlyList<ScreenFont> Find(GuestMemory memory, ReadOnlySpan<byte> bytes)
    {
        List<ScreenFont> fonts = [];
        int at = 0;
        while (bytes[at..].IndexOf(LastEntry) is var next and >= 0)
        {
            at += next;
            foreach (int pointer in (ReadOnlySpan<int>)[sizeof(uint), sizeof(ulong)])
            {
                if (TryRead(memory, bytes, at, pointer) is { } font)
                {
                    fonts.Add(font);
                }
            }

            at++;
        }

        return fonts;
    }

    /// <param name="last">Where the entry of the last character of ASCII is.</param>
    /// <param name="pointer">Bytes of a pointer.</param>
    private static ScreenFont? TryRead(GuestMemory memory, ReadOnlySpan<byte> bytes, int last, int pointer)
    {
        int size = pointer == sizeof(uint) ? 16 : 24;
        int at = last - ((LastAscii - ' ') * size);
        if (at < 0 || !IsAscii(bytes[at..], size))
        {
            return null;
        }

        ReadOnlySpan<byte> blank = Follow(memory, bytes.Slice(at, size)[^pointer..], LargestGlyph);
        ReadOnlySpan<byte> font = blank.IsEmpty ? [] : Follow(memory, blank[..pointer], (PointersOfFont * pointer) + FontSize);
        if (font.IsEmpty)
        {
            return null;
        }

        int height = BinaryPrimitives.ReadUInt16LittleEndian(font[((PointersOfFont * pointer) + OffsetOfHeight)..]);
        int ascent = BinaryPrimitives.ReadUInt16LittleEndian(font[((PointersOfFont * pointer) + OffsetOfAscent)..]);
        if (height is 0 or > ScreenFont.LargestHeight)
        {
            return null;
        }

        Dictionary<byte, byte[]> glyphs = ReadGlyphs(memory, bytes[at..], pointer, size, height, ascent);
        return glyphs.Keys.Count(code => char.IsAsciiLetterOrDigit((char)code)) == LettersAndDigits ? new ScreenFont(glyphs, height) : null;
    }

    private static bool IsAscii(ReadOnlySpan<byte> entries, int size)
    {
        for (int i = LastAscii - ' '; i >= 0; i--)
        {
            ReadOnlySpan<byte> entry = entries.Slice(i * size, OffsetOfFlags + 1);
            if (BinaryPrimitives.ReadUInt32LittleEndian(entry) != ' ' + i || entry[OffsetOfFlags] != 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>From the blank's entry on, as far as codes ascend.</summary>
    private static Dictionary<byte, byte[]> ReadGlyphs(
        GuestMemory memory, ReadOnlySpan<byte> entries, int pointer, int size, int height, int ascent)
    {
        Dictionary<byte, byte[]> glyphs = [];
        uint before = 0;
        for (; entries.Length >= size; entries = entries[size..])
        {
            uint code = BinaryPrimitives.ReadUInt32LittleEndian(entries);
            if (code <= before || code > char.MaxValue)
            {
                break;
            }

            before = code;
            if (CodePage437.FindCode((char)code) is { } known
                && ReadGlyph(Follow(memory, entries.Slice(size - pointer, pointer), LargestGlyph), pointer, height, ascent) is { } rows)
            {
                glyphs[known] = rows;
            }
        }

        return glyphs;
    }

    /// <returns>Empty where a pointer leads nowhere.</returns>
    private static ReadOnlySpan<byte> Follow(GuestMemory memory, ReadOnlySpan<byte> pointer, int length)
    {
        ulong address = pointer.Length == sizeof(uint)
            ? BinaryPrimitives.ReadUInt32LittleEndian(pointer)
            : BinaryPrimitives.ReadUInt64LittleEndian(pointer);
        return address == 0 || address > memory.Size - (ulong)length ? [] : memory.Slice(address, length);
    }

    /// <returns>Null where it was not needed yet, or does not fit a cell.</returns>
    private static byte[]? ReadGlyph(ReadOnlySpan<byte> glyph, int pointer, int cellHeight, int ascent)
    {
        if (glyph.IsEmpty)
        {
            return null;
        }

        glyph = glyph[pointer..];
        int width = BinaryPrimitives.ReadUInt16LittleEndian(glyph);
        int height = BinaryPrimitives.ReadUInt16LittleEndian(glyph[2..]);
        int left = BinaryPrimitives.ReadInt16LittleEndian(glyph[4..]);
        int top = ascent - BinaryPrimitives.ReadInt16LittleEndian(glyph[6..]) - height;
        int advance = BinaryPrimitives.ReadUInt16LittleEndian(glyph[8..]);
        bool fits = left >= 0 && left + width <= ScreenFont.Width && top >= 0 && top + height <= cellHeight;
        return fits && advance == ScreenFont.Width ? Unpack(glyph[GlyphHeader..], width, height, left, top, cellHeight) : null;
    }

    private static byte[] Unpack(ReadOnlySpan<byte> bits, int width, int height, int left, int top, int cellHeight)
    {
        byte[] rows = new byte[cellHeight];
        for (int i = 0; i < width * height; i++)
        {
            int bit = (bits[i >> 3] >> (7 - (i & 7))) & 1;
            rows[top + (i / width)] |= (byte)(bit << (7 - left - (i % width)));
        }

        return rows;
    }
}
