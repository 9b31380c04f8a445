using Strata.Core.Display;
using Xunit;

namespace Strata.Core.Tests.Display;

/// <summary>Text that is drawn into pictures is found again.</summary>
public sealed class PictureTextTests
{
    private const int Height = 16;
    private static readonly byte[] Rows = CreateFont(Height, seed: 1);

    private readonly ScreenPicture _picture = new();
    private readonly List<ScreenRectangle> _changed = [];

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 0)]
    [InlineData(7, 15)]
    [InlineData(20, 100)]
    public void Read_TextAtAnyPlace_IsFound(int left, int top)
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        Paint(pixels => Draw(pixels, "Booting the system (42%)", left, top));

        ScreenText found = text.Read(_picture, _changed)!;

        Assert.Contains("Booting the system (42%)", found.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Colours_AreTheNearestOfAVga()
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        Paint(pixels => Draw(pixels, "red on blue", 0, 0, front: 0xFF5555, back: 0x0000AA));

        ScreenText found = text.Read(_picture, _changed)!;

        Assert.Equal(0x1C00 | 'r', found.Cells[0]);
    }

    [Fact]
    public void Read_OtherFont_IsTheSecondOnesText()
    {
        PictureText text = new([new ScreenFont(Rows, Height), new ScreenFont(CreateFont(8, seed: 2), 8)]);
        byte[] small = CreateFont(8, seed: 2);
        Paint(pixels => Draw(pixels, "small letters", 8, 8, rows: small));

        Assert.Contains("small letters", text.Read(_picture, _changed)!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_SecondPicture_HasWhatChangedAndWhatStayed()
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        Paint(pixels => Draw(pixels, "first line", 0, 0));
        text.Read(_picture, _changed);
        Paint(pixels =>
        {
            Draw(pixels, "first line", 0, 0);
            Draw(pixels, "login:", 0, 128);
        });

        string found = text.Read(_picture, _changed)!.ToString();

        Assert.DoesNotContain(_picture.Bounds, _changed);
        Assert.StartsWith("first line\n", found, StringComparison.Ordinal);
        Assert.Contains("\nlogin:\n", found, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_TextOfAnUnknownFont_SearchesForIt()
    {
        byte[] other = CreateFont(Height, seed: 9);
        int searches = 0;
        PictureText text = new([new ScreenFont(Rows, Height)], () =>
        {
            searches++;
            return [new ScreenFont(other, Height)];
        });
        Paint(pixels => Draw(pixels, "drawn otherwise", 0, 0, rows: other));

        string? found = text.Read(_picture, _changed)?.ToString();

        Assert.StartsWith("drawn otherwise\n", found, StringComparison.Ordinal);
        Assert.Equal(1, searches);
    }

    /// <summary>A display without a program has no font of its own.</summary>
    [Fact]
    public void Read_NoFontOfItsOwn_SearchesOnceSomethingShows()
    {
        byte[] other = CreateFont(19, seed: 9);
        int searches = 0;
        PictureText text = new([], () =>
        {
            searches++;
            return [new ScreenFont(other, 19)];
        });
        Paint(_ => { });
        ScreenText? blank = text.Read(_picture, _changed);
        int searchesOfBlank = searches;
        Paint(pixels => Draw(pixels, "Shell>", 40, 29, rows: other));

        string? found = text.Read(_picture, _changed)?.ToString();

        Assert.Equal((null, 0), (blank, searchesOfBlank));
        Assert.Contains("Shell>", found, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_DisplayWithoutAFont_SearchesForOne()
    {
        PictureText text = new([], () => [new ScreenFont(Rows, Height)]);
        Paint(pixels => Draw(pixels, "by the guest's own", 0, 0));

        string? found = text.Read(_picture, _changed)?.ToString();

        Assert.StartsWith("by the guest's own\n", found, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_PictureWithoutText_IsNull()
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        Random random = new(5);

        for (int i = 0; i < 3; i++)
        {
            Paint(pixels =>
            {
                foreach (ref uint pixel in pixels)
                {
                    pixel = (uint)random.Next(2);
                }
            });
            Assert.Null(text.Read(_picture, _changed));
        }
    }

    /// <summary>Few pictures are searched where there is no text; the one that stands still in the end is.</summary>
    [Fact]
    public void Read_TextBehindPicturesWithout_IsFoundThoughNothingChanges()
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        for (uint i = 0; i < 5; i++)
        {
            Paint(pixels => pixels[(int)i * 100] = 1);
            text.Read(_picture, _changed);
        }

        Paint(pixels => Draw(pixels, "Shell> ready", 3, 5));
        ScreenText? found = text.Read(_picture, _changed);
        for (int i = 0; i < 20 && found is null; i++)
        {
            found = text.Read(_picture, []);
        }

        Assert.Contains("Shell> ready", found!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_TextGone_IsNull()
    {
        PictureText text = new([new ScreenFont(Rows, Height)]);
        Paint(pixels => Draw(pixels, "going", 0, 0));
        text.Read(_picture, _changed);
        Paint(pixels => pixels.Clear());

        Assert.Null(text.Read(_picture, _changed));
    }

    [Fact]
    public void FindAll_ProgramWithFonts_FindsThemByTheirBlocks()
    {
        byte[] program = new byte[40 << 10];
        new Random(3).NextBytes(program);
        Rows.CopyTo(program, 1001);
        CreateFont(8, seed: 2).CopyTo(program, 20_003);

        IReadOnlyList<ScreenFont> fonts = ScreenFont.FindAll(program);

        Assert.Equal([16, 8], fonts.Select(font => font.Height));
        Assert.Equal((byte)'A', fonts[0].Find(Upright(Rows.AsSpan('A' * Height, Height))));
    }

    [Fact]
    public void FindAll_ProgramWithoutFonts_IsEmpty() => Assert.Empty(ScreenFont.FindAll(new byte[8192]));

    /// <summary>Glyphs that no two codes share, with the blocks and blanks of a PC's.</summary>
    private static byte[] CreateFont(int height, int seed)
    {
        byte[] rows = new byte[256 * height];
        new Random(seed).NextBytes(rows);
        foreach ((int code, byte value) in ((int, byte)[])[(0, 0), (' ', 0), (0xFF, 0), (0xDB, 0xFF), (0xDD, 0xF0), (0xDE, 0x0F)])
        {
            rows.AsSpan(code * height, height).Fill(value);
        }

        return rows;
    }

    private static byte[] Upright(ReadOnlySpan<byte> glyph)
    {
        bool inverts = (glyph[0] & 0x80) != 0;
        return [.. glyph.ToArray().Select(row => inverts ? (byte)~row : row)];
    }

    private void Paint(Action<Span<uint>> paint)
    {
        _changed.Clear();
        _picture.Paint(320, 200, pixels =>
        {
            pixels.Clear();
            paint(pixels);
        }, _changed);
    }

    private static void Draw(
        Span<uint> pixels, string text, int left, int top, uint front = 0xAAAAAA, uint back = 0, byte[]? rows = null)
    {
        byte[] font = rows ?? Rows;
        int height = font.Length / 256;
        foreach ((int column, char character) in text.Index())
        {
            for (int line = 0; line < height; line++)
            {
                for (int x = 0; x < 8; x++)
                {
                    bool isSet = (font[(character * height) + line] & (0x80 >> x)) != 0;
                    pixels[((top + line) * 320) + left + (column * 8) + x] = isSet ? front : back;
                }
            }
        }
    }
}
