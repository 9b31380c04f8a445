using Strata.Core.Display;
using Strata.Display.Rfb;
using Strata.Display.Tests.Harness;

namespace Strata.Display.Tests;

/// <summary>What a client has when it has decoded what was sent: the screen's pixels in its own format (RFC 6143, section 7.7).</summary>
public sealed class EncodingTests
{
    private static readonly PixelFormat[] Formats =
    [
        PixelFormat.Native,
        PixelFormat.Native with { IsBigEndian = true },
        PixelFormat.Native with { RedShift = 24, GreenShift = 16, BlueShift = 8 },
        PixelFormat.Native with { RedShift = 24, GreenShift = 16, BlueShift = 8, IsBigEndian = true },
        PixelFormat.Native with { RedShift = 0, GreenShift = 8, BlueShift = 16 },
        PixelFormat.Native with { Depth = 30, RedMax = 1023, GreenMax = 1023, BlueMax = 1023, RedShift = 20, GreenShift = 10 },
        new(16, 16, false, true, 31, 63, 31, 11, 5, 0),
        new(16, 15, true, true, 31, 31, 31, 10, 5, 0),
        new(8, 8, false, true, 7, 7, 3, 5, 2, 0),
        new(8, 6, false, true, 3, 3, 3, 4, 2, 0),
    ];

    /// <summary>One colour, two, few, many in runs, noise, and a part of each.</summary>
    private static readonly Func<int, int, uint>[] Patterns =
    [
        (_, _) => 0x336699,
        (x, y) => ((x / 3) ^ (y / 5)) % 2 == 0 ? 0xFFFFFFu : 0,
        (x, y) => (uint)(((x / 7) + (y / 9)) % 13 * 0x111315),
        (x, y) => (uint)(((x / 23) + (y * 7)) * 0x010307 & 0xFFFFFF),
        (x, y) => Noise(x, y),
        (x, y) => (((x / 64) + (y / 64)) % 5) switch { 0 => 0u, 1 => Noise(x, y), 2 => Noise(
            x / 9, y), 3 => (uint)(x % 3 * 77), _ => Noise(x / 60, y / 60) },
    ];

    public static TheoryData<int, int, int> Cases
    {
        get
        {
            TheoryData<int, int, int> cases = [];
            foreach (int encoding in new[] { RfbEncoding.Raw, RfbEncoding.Hextile, RfbEncoding.Zrle, RfbEncoding.Tight })
            {
                for (int format = 0; format < Formats.Length; format++)
                {
                    for (int pattern = 0; pattern < Patterns.Length; pattern++)
                    {
                        cases.Add(encoding, format, pattern);
                    }
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Update_EncodingFormatAndPattern_GivesTheScreensPixels(int encoding, int format, int pattern)
    {
        await using TestServer server = new(203, 157);
        server.Screen.Paint(Patterns[pattern]);
        await using RfbClient client = await server.LogInAsync();
        await client.SetFormatAsync(Formats[format]);
        await client.SetEncodingsAsync(encoding);

        await client.UpdateAsync(incremental: false);

        PixelTranslator pixels = new(Formats[format]);
        Assert.Equal(server.Screen.Pixels.Select(pixels.Map), client.Pixels);
        Assert.All(client.Encodings, used => Assert.Equal(encoding, used));
    }

    /// <summary>zlib streams go on from rectangle to rectangle, also where another encoding was used between.</summary>
    [Theory]
    [InlineData(RfbEncoding.Zrle)]
    [InlineData(RfbEncoding.Tight)]
    public async Task Update_EncodingChangedAndBack_GoesOnInItsStream(int encoding)
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        for (int i = 0; i < 6; i++)
        {
            await client.SetEncodingsAsync(i % 3 == 1 ? RfbEncoding.Hextile : encoding);
            server.Screen.Paint(Patterns[1 + (i % 5)]);

            await client.FollowAsync(server.Screen);
        }

        Assert.Equal(new HashSet<int> { encoding, RfbEncoding.Hextile }, [.. client.Encodings]);
    }

    [Fact]
    public async Task Update_ColourMapAskedFor_SendsTheMapAndItsNumbers()
    {
        await using TestServer server = new();
        server.Screen.Fill(new ScreenRectangle(0, 0, 320, 200), 0xFF0000);
        await using RfbClient client = await server.LogInAsync();
        await client.SetFormatAsync(new PixelFormat(8, 8, false, false, 0, 0, 0, 0, 0, 0));

        await client.UpdateAsync(incremental: false);

        int number = (int)client.Pixels.Distinct().Single();
        Assert.NotNull(client.Map);
        Assert.Equal([ushort.MaxValue, 0, 0], client.Map[(number * 3)..((number * 3) + 3)]);
    }

    [Fact]
    public async Task Update_ScreenScrolled_CopiesWhatTheClientHas()
    {
        await using TestServer server = new(640, 400);
        server.Screen.Paint((x, y) => Noise(x / 8, y));
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync(RfbEncoding.CopyRect, RfbEncoding.Zrle);
        await client.FollowAsync(server.Screen);
        client.Encodings.Clear();
        client.Rectangles.Clear();

        server.Screen.Scroll(16);
        await client.UpdateAsync();

        Assert.Equal(server.Screen.Pixels, client.Pixels);
        Assert.Equal([RfbEncoding.CopyRect, RfbEncoding.Zrle], client.Encodings);
        Assert.Equal([new ScreenRectangle(0, 0, 640, 384), new ScreenRectangle(0, 384, 640, 16)], client.Rectangles);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Update_PartPainted_SendsThatPart(bool repaintsTheRest)
    {
        await using TestServer server = new(640, 480);
        server.Screen.Paint((x, y) => Noise(x, y));
        await using RfbClient client = await server.LogInAsync();
        await client.FollowAsync(server.Screen);
        client.Rectangles.Clear();

        server.Screen.Fill(new ScreenRectangle(100, 200, 20, 10), 0xABCDEF);
        if (repaintsTheRest)
        {
            server.Screen.Fill(new ScreenRectangle(0, 0, 1, 1), Noise(0, 0)); // as it was
        }

        await client.UpdateAsync();

        Assert.Equal(server.Screen.Pixels, client.Pixels);
        Assert.Equal([new ScreenRectangle(96, 192, 32, 32)], client.Rectangles);
    }

    private static uint Noise(int x, int y)
    {
        uint hash = (uint)((x * 374761393) + (y * 668265263));
        hash = (hash ^ (hash >> 13)) * 1274126177;
        return (hash ^ (hash >> 16)) & 0xFFFFFF;
    }
}
