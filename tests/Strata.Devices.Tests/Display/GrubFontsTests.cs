using System.Buffers.Binary;
using Strata.Core.Display;
using Strata.Core.Memory;
using Strata.Devices.Display;
using Xunit;

namespace Strata.Devices.Tests.Display;

/// <summary>GRUB's fonts are found in a guest's memory as GRUB has them there, on a BIOS and on UEFI.</summary>
public sealed class GrubFontsTests : IDisposable
{
    private const uint Index = 0x10_0008, Font = 0x30_0010, Glyphs = 0x50_0000;
    private const int Spacing = 64;
    private const int Ascent = 14, Height = 16;

    private readonly GuestMemory _memory = new(8 << 20);

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void Find_IndexWithGlyphs_PutsThemIntoCells(int pointer)
    {
        WriteFont(pointer, Height);

        ScreenFont font = Assert.Single(GuestFonts.Find(_memory));

        Assert.Equal(Height, font.Height);
        Assert.Equal((byte)'A', font.Find(CellOf('A')));
        Assert.Equal((byte)'z', font.Find(CellOf('z')));
    }

    [Fact]
    public void Find_GlyphOfAnotherCharacterInTheIndex_IsFound()
    {
        WriteFont(pointer: 4, Height);
        Span<byte> box = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(box, 0x2588); // the full block, behind ASCII
        BinaryPrimitives.WriteUInt32LittleEndian(box[12..], Glyphs);
        _memory.Write(Index + (95 * 16), box);
        _memory.Write(Glyphs + 4, Glyph(8, 16, 0, -2, [.. Enumerable.Repeat((byte)0x7F, 16)]));

        ScreenFont font = Assert.Single(GuestFonts.Find(_memory));

        Assert.Equal((byte)0xDB, font.Find([.. Enumerable.Repeat((byte)0x7F, Height)]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(33)]
    public void Find_HeightOfNoCell_IsNone(int height)
    {
        WriteFont(pointer: 4, height);

        Assert.Empty(GuestFonts.Find(_memory));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData((8u << 20) - 8)]
    [InlineData(0xFFFF_FFFFu)]
    public void Find_PointersThatLeadNowhere_IsNone(uint pointer)
    {
        WriteFont(pointer: 4, Height);
        for (uint i = 0; i < 95; i++)
        {
            _memory.Write(Index + (i * 16) + 12, BitConverter.GetBytes(pointer));
        }

        Assert.Empty(GuestFonts.Find(_memory));
    }

    [Fact]
    public void Find_GlyphsWiderThanACell_IsNone()
    {
        WriteFont(pointer: 4, Height);
        _memory.Write(Glyphs + ('Q' * Spacing) + 4, Glyph(9, 16, 0, 0, [1, 2, 3]));

        Assert.Empty(GuestFonts.Find(_memory));
    }

    public void Dispose() => _memory.Dispose();

    private void WriteFont(int pointer, int height)
    {
        int size = pointer == 4 ? 16 : 24;
        for (uint code = ' '; code <= '~'; code++)
        {
            byte[] entry = new byte[size];
            BinaryPrimitives.WriteUInt32LittleEndian(entry, code);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(8), code * 26);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(size - pointer), Glyphs + (code * Spacing));
            _memory.Write(Index + ((code - ' ') * (uint)size), entry);
            _memory.Write(Glyphs + (code * Spacing), BitConverter.GetBytes(Font));
            bool isBlank = code == ' ';
            _memory.Write(
                Glyphs + (code * Spacing) + (uint)pointer,
                Glyph(isBlank ? 0 : 6, isBlank ? 0 : 2, left: 1, bottom: -2, [(byte)code, (byte)(code << 4)]));
        }

        byte[] font = new byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(font.AsSpan(6), (ushort)height);
        BinaryPrimitives.WriteUInt16LittleEndian(font.AsSpan(8), Ascent);
        _memory.Write(Font + (3 * (uint)pointer), font);
    }

    private static byte[] Glyph(int width, int height, int left, int bottom, byte[] bits)
    {
        byte[] glyph = new byte[10 + bits.Length];
        foreach ((int i, int value) in ((int[])[width, height, left, bottom, 8]).Index())
        {
            BinaryPrimitives.WriteInt16LittleEndian(glyph.AsSpan(i * 2), (short)value);
        }

        bits.CopyTo(glyph, 10);
        return glyph;
    }

    /// <summary>Two rows of six pixels at the lower edge, one from the left: bits 7..2 of the code, then bits 1..0 and 3..0.</summary>
    private static byte[] CellOf(char character)
    {
        byte[] cell = new byte[Height];
        cell[^2] = (byte)((character & 0xFC) >> 1);
        cell[^1] = (byte)((((character & 3) << 6) | ((character & 0xF) << 2)) >> 1);
        return cell;
    }
}
