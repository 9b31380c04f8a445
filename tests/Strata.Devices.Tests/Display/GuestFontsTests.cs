using System.Buffers.Binary;
using Strata.Core.Display;
using Strata.Core.Memory;
using Strata.Devices.Display;
using Xunit;

namespace Strata.Devices.Tests.Display;

/// <summary>Fonts are found in a guest's memory.</summary>
public sealed class GuestFontsTests : IDisposable
{
    private const int NarrowHeight = 19;

    private readonly GuestMemory _memory = new(8 << 20);

    [Fact]
    public void Find_TableInTheOrderOfCodes_HasItsGlyphs()
    {
        byte[] rows = new byte[256 * 16];
        new Random(1).NextBytes(rows);
        foreach ((int code, byte value) in ((int, byte)[])[(0, 0), (' ', 0), (0xFF, 0), (0xDB, 0xFF), (0xDD, 0xF0), (0xDE, 0x0F)])
        {
            rows.AsSpan(code * 16, 16).Fill(value);
        }

        rows['A' * 16] = 0x18;
        _memory.Write(0x30_0123, rows);
        _memory.Write(0x50_0000, rows);

        ScreenFont font = Assert.Single(GuestFonts.Find(_memory));

        Assert.Equal((byte)'A', font.Find(rows.AsSpan('A' * 16, 16)));
    }

    [Fact]
    public void Find_NarrowGlyphsOfUefi_HasItsLetters()
    {
        Random random = new(2);
        byte[] table = new byte[22 * 96];
        for (int i = 0; i < 95; i++)
        {
            Span<byte> glyph = table.AsSpan(i * 22, 22);
            BinaryPrimitives.WriteUInt16LittleEndian(glyph, (ushort)(' ' + i));
            random.NextBytes(i == 0 ? [] : glyph[4..]);
        }

        _memory.Write(0x7F_1235, table);

        ScreenFont font = Assert.Single(GuestFonts.Find(_memory));

        Assert.Equal(NarrowHeight, font.Height);
        Assert.Equal((byte)'Q', font.Find(table.AsSpan((('Q' - ' ') * 22) + 3, NarrowHeight)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Find_AnythingElse_IsNone(int seed)
    {
        byte[] bytes = new byte[4 << 20];
        new Random(seed).NextBytes(bytes);
        bytes.AsSpan(0, 1 << 20).Fill(0xF0);
        bytes.AsSpan(1 << 20, 1 << 20).Fill(0x0F);
        _memory.Write(0, bytes);

        Assert.Empty(GuestFonts.Find(_memory));
    }

    [Fact]
    public void Find_TableThatIsCutOff_IsNone()
    {
        Span<byte> end = _memory.Slice(_memory.Size - 32, 32);
        end[..16].Fill(0xF0);
        end[16..].Fill(0x0F);

        Assert.Empty(GuestFonts.Find(_memory));
    }

    public void Dispose() => _memory.Dispose();
}
