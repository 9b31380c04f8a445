using System.Buffers.Binary;
using Strata.Core.Display;
using Strata.Core.Memory;

namespace Strata.Devices.Display;

/// <summary>
/// Finds the fonts that a system draws its text with in the memory that it has used: tables in the order of code page 437, as Linux
/// has, narrow glyphs of UEFI firmware (UEFI Specification 2.10, "EFI_NARROW_GLYPH"), and those of GRUB's graphical terminal. What a guest
/// puts there for others to find only makes them read other letters in its own pictures.
/// </summary>
public static class GuestFonts
{
    private const int PieceSize = 64 << 20;
    private const ulong Overlap = 4; // pages: more than the largest table has
    private const int MostFonts = 8;

    private const int NarrowGlyphSize = 22;
    private const int NarrowGlyphHeight = 19;
    private const int NarrowGlyphHeader = 3; // UCS-2 character, attributes

    /// <summary>Searches all pages that the guest has touched.</summary>
    /// <remarks>The guest may run meanwhile.</remarks>
    public static IReadOnlyList<ScreenFont> Find(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        PageBitmap touched = new(memory.Pages);
        memory.FindTouched(touched);
        List<ScreenFont> fonts = [];
        (ulong First, ulong Count) run = (0, 0);
        foreach (ulong page in touched)
        {
            if (page == run.First + run.Count && run.Count * GuestMemory.PageSize < PieceSize)
            {
                run.Count++;
                continue;
            }

            Search(memory, run, fonts);
            run = page == run.First + run.Count && run.Count > 0
                ? (page - Overlap, Overlap + 1)
                : (page, 1);
        }

        Search(memory, run, fonts);
        return fonts;
    }

    private static void Search(GuestMemory memory, (ulong First, ulong Count) run, List<ScreenFont> fonts)
    {
        ReadOnlySpan<byte> bytes = memory.Slice(run.First * GuestMemory.PageSize, (int)(run.Count * GuestMemory.PageSize));
        Span<byte> longest = stackalloc byte[ScreenFont.UsualHeights[0] * 2]; // the tallest comes first
        foreach (int height in ScreenFont.UsualHeights)
        {
            Span<byte> needle = longest[..(height * 2)];
            needle[..height].Fill(0xF0); // the left half block, and the right one
            needle[height..].Fill(0x0F);
            ForEach(bytes, needle, fonts, (all, at) => ScreenFont.TryRead(all, at - (0xDD * height), height));
        }

        Span<byte> narrow = stackalloc byte[NarrowGlyphSize + NarrowGlyphHeader];
        narrow.Clear();
        narrow[0] = (byte)' ';
        narrow[NarrowGlyphSize] = (byte)'!';
        ForEach(bytes, narrow, fonts, ReadNarrowGlyphs);
        foreach (ScreenFont font in GrubFonts.Find(memory, bytes))
        {
            Add(font, fonts);
        }
    }

    private static void ForEach(
        ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> needle, List<ScreenFont> fonts, Func<ReadOnlySpan<byte>, int, ScreenFont?> read)
    {
        int at = 0;
        while (fonts.Count < MostFonts && bytes[at..].IndexOf(needle) is var next and >= 0)
        {
            at += next;
            if (read(bytes, at) is { } font)
            {
                Add(font, fonts);
            }

            at++;
        }
    }

    private static void Add(ScreenFont font, List<ScreenFont> fonts)
    {
        if (fonts.Count < MostFonts && !fonts.Any(font.IsSame))
        {
            fonts.Add(font);
        }
    }

    /// <summary>A table that begins with the blank, in the order of its characters.</summary>
    private static ScreenFont? ReadNarrowGlyphs(ReadOnlySpan<byte> bytes, int at)
    {
        Dictionary<byte, byte[]> glyphs = [];
        int last = 0;
        for (; at + NarrowGlyphSize <= bytes.Length; at += NarrowGlyphSize)
        {
            ReadOnlySpan<byte> glyph = bytes.Slice(at, NarrowGlyphSize);
            int character = BinaryPrimitives.ReadUInt16LittleEndian(glyph);
            if (character <= last)
            {
                break;
            }

            last = character;
            if (CodePage437.FindCode((char)character) is { } code)
            {
                glyphs[code] = glyph[NarrowGlyphHeader..].ToArray();
            }
        }

        return glyphs.Count >= 'z' - ' ' ? new ScreenFont(glyphs, NarrowGlyphHeight) : null;
    }
}
