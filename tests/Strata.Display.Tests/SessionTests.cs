using Strata.Core.Display;
using Strata.Display.Rfb;
using Strata.Display.Tests.Harness;

namespace Strata.Display.Tests;

/// <summary>What clients are told and shown, beside pixels.</summary>
public sealed class SessionTests
{
    [Theory]
    [InlineData("003.003")]
    [InlineData("003.007")]
    [InlineData("003.008")]
    [InlineData("003.005")] // never published: the next older one
    public async Task LogIn_Version_IsServed(string version)
    {
        await using TestServer server = new();

        await using RfbClient client = await RfbClient.LogInAsync(await server.ConnectAsync(), version);

        Assert.Equal(("test", 320, 200), (client.Name, client.Width, client.Height));
    }

    [Theory]
    [InlineData(RfbEncoding.DesktopSize)]
    [InlineData(RfbEncoding.ExtendedDesktopSize)]
    public async Task Resize_ClientThatFollows_HasTheNewSize(int encoding)
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync(encoding);
        await client.FollowAsync(server.Screen);

        server.Screen.Resize(400, 100);
        server.Screen.Fill(new ScreenRectangle(390, 90, 10, 10), 0x123456);
        await client.FollowAsync(server.Screen);

        Assert.Equal((400, 100), (client.Width, client.Height));
        Assert.Contains(encoding, client.Encodings);
    }

    /// <summary>It keeps its size: the rest of the screen is not to be seen, and what is beyond the screen is black.</summary>
    [Fact]
    public async Task Resize_ClientThatCannotFollow_SeesWhatFits()
    {
        await using TestServer server = new(64, 64);
        server.Screen.Paint((_, _) => 0xFFFFFF);
        await using RfbClient client = await server.LogInAsync();
        await client.FollowAsync(server.Screen);

        server.Screen.Resize(32, 100);
        server.Screen.Paint((_, _) => 0x00FF00);
        uint[] expected = [.. Enumerable.Range(0, 64 * 64).Select(i => i % 64 < 32 ? 0x00FF00u : 0)];
        while (!client.Pixels.AsSpan().SequenceEqual(expected))
        {
            await client.UpdateAsync();
        }

        Assert.Equal((64, 64), (client.Width, client.Height));
    }

    [Fact]
    public async Task SetDesktopSize_AnyClient_IsToldThatTheGuestAloneSetsIt()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync(RfbEncoding.ExtendedDesktopSize);
        await client.FollowAsync(server.Screen);
        await client.UpdateAsync(incremental: false);
        client.Rectangles.Clear();

        byte[] message = new byte[8 + 16];
        message[0] = ClientMessage.SetDesktopSize;
        message[6] = 1;
        await client.SendAsync(message);
        await client.UpdateAsync();

        Assert.Contains(new ScreenRectangle(1, 1, 320, 200), client.Rectangles); // the client's own wish; prohibited
    }

    [Fact]
    public async Task SetEncodings_WithExtensions_ConfirmsEachOnce()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync(RfbEncoding.Cursor, RfbEncoding.ExtendedKeyEvent, RfbEncoding.PointerMotionChange, 4711);

        await client.UpdateAsync(incremental: false);
        await client.UpdateAsync(incremental: false);

        Assert.Equal(1, client.Encodings.Count(encoding => encoding == RfbEncoding.Cursor));
        Assert.Equal(1, client.Encodings.Count(encoding => encoding == RfbEncoding.ExtendedKeyEvent));
        Assert.Equal(1, client.Encodings.Count(encoding => encoding == RfbEncoding.PointerMotionChange));
    }

    /// <summary>Left, right, middle and the wheel; a client's first place is no movement.</summary>
    [Fact]
    public async Task PointerEvents_PlacesAndButtons_AreMovementsOfAMouse()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();

        await client.SendAsync(5, 0, 0, 100, 0, 50);
        await client.SendAsync(5, 1, 0, 110, 0, 45);
        await client.SendAsync(5, 6, 0, 110, 0, 45);
        await client.SendAsync(5, 8, 0, 110, 0, 45);
        await client.SendAsync(5, 16, 0, 110, 0, 45);

        Assert.Equal(["0,0,0,None", "10,-5,0,Left", "0,0,0,Right, Middle", "0,0,-1,None", "0,0,1,None"], await server.Input.TakeAsync(5));
    }

    [Fact]
    public async Task PointerEvents_GuestHasATablet_ArePlaces()
    {
        await using TestServer server = new(width: 320, height: 200);
        server.Input.IsReady = true;
        await using RfbClient client = await server.LogInAsync();

        await client.SendAsync(5, 0, 0, 0, 0, 199);
        await client.SendAsync(5, 1, 1, 63, 0, 0);
        await client.SendAsync(5, 16, 0xFF, 0xFF, 0, 0);

        Assert.Equal(
            ["at 0,32767,0,None", "at 32767,0,0,Left", "at 32767,0,1,None"], await server.Input.TakeAsync(3));
    }

    [Fact]
    public async Task PointerEvents_OfMovements_CountFromTheMiddle()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync(RfbEncoding.PointerMotionChange);

        await client.SendAsync(5, 0, 0x80, 0x04, 0x7F, 0xFC);

        Assert.Equal(["5,-3,0,None"], await server.Input.TakeAsync(1));
    }

    [Fact]
    public async Task KeyEvents_ExtendedOnes_AreTheKeysOfTheirCodes()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();

        await client.SendAsync(255, 0, 0, 1, 0, 0, 0, (byte)'z', 0, 0, 0, 0x15); // the key of a US Y, wherever Z is
        await client.SendAsync(255, 0, 0, 0, 0, 0, 0, (byte)'z', 0, 0, 0, 0x15);
        await client.SendAsync(255, 0, 0, 1, 0, 0, 0xFF, 0x53, 0, 0, 0, 0xCD);
        await client.SendAsync(255, 0, 0, 1, 0, 0, 0xFF, 0x0D, 0, 0, 0, 0); // a key without a code: by what it means

        Assert.Equal(["+Y", "-Y", "+Right", "+Enter"], await server.Input.TakeAsync(4));
    }

    [Fact]
    public async Task HangUp_KeysAndButtonsHeld_AreLetGo()
    {
        await using TestServer server = new();
        await using (RfbClient client = await server.LogInAsync())
        {
            await client.SendKeyAsync(0xFFE3, pressed: true);
            await client.SendAsync(5, 1, 0, 1, 0, 1);
            await server.Input.TakeAsync(2);
        }

        Assert.Equal(["+ControlLeft", "0,0,0,Left", "0,0,0,None", "-ControlLeft"], await server.Input.TakeAsync(4));
    }

    /// <summary>Nobody looks at a screen that stands still, or that nobody waits for.</summary>
    [Fact]
    public async Task Screen_StandsStill_IsNotLookedAt()
    {
        await using TestServer server = new();
        server.Screen.Paint((_, _) => 0x808080);
        await using RfbClient client = await server.LogInAsync();
        await client.FollowAsync(server.Screen);
        await client.RequestAsync(incremental: true);
        int looks = server.Screen.Updates;

        await Task.Delay(300);
        int looksWhileStill = server.Screen.Updates;
        server.Screen.Fill(new ScreenRectangle(0, 0, 1, 1), 0xFF);
        await client.ReceiveAsync();
        int looksForChange = server.Screen.Updates;
        server.Screen.Fill(new ScreenRectangle(0, 0, 1, 1), 0xFF00); // nobody has asked
        await Task.Delay(300);

        Assert.Equal([looks, looks + 1, looks + 1], [looksWhileStill, looksForChange, server.Screen.Updates]);
    }

    /// <summary>As a linear framebuffer: the guest paints, and the adapter does not notice.</summary>
    [Fact]
    public async Task Screen_PaintedUnnoticed_IsLookedAtFromTimeToTime()
    {
        await using TestServer server = new();
        server.Screen.ChangesUnnoticed = true;
        server.Screen.Paint((_, _) => 0x808080);
        await using RfbClient client = await server.LogInAsync();
        await client.FollowAsync(server.Screen);
        await client.RequestAsync(incremental: true);
        server.Screen.IsMute = true;

        server.Screen.Fill(new ScreenRectangle(0, 0, 1, 1), 0xFF);
        await client.ReceiveAsync();

        Assert.Equal(0xFFu, client.Pixels[0]);
    }

    [Fact]
    public async Task Clients_OfDifferentFormats_SeeTheSameScreen()
    {
        await using TestServer server = new();
        await using RfbClient first = await server.LogInAsync();
        await using RfbClient second = await server.LogInAsync();
        PixelFormat narrow = new(16, 16, true, true, 31, 63, 31, 11, 5, 0);
        await second.SetFormatAsync(narrow);
        await second.SetEncodingsAsync(RfbEncoding.Hextile);
        await first.SetEncodingsAsync(RfbEncoding.Zrle);

        server.Screen.Paint((x, y) => (uint)((x * 3) << 8) | (uint)y);
        await first.FollowAsync(server.Screen);
        await second.UpdateAsync(incremental: false);

        Assert.Equal(server.Screen.Pixels.Select(new PixelTranslator(narrow).Map), second.Pixels);
    }
}
