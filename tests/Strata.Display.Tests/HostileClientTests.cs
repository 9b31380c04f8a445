using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Strata.Core.Display;
using Strata.Display.Rfb;
using Strata.Display.Tests.Harness;

namespace Strata.Display.Tests;

/// <summary>What a client may send without harm to the server and to others: anything.</summary>
public sealed class HostileClientTests
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", "no version")]
    [InlineData("RFB 00x.008\n", "no version")]
    [InlineData("RFB 002.002\n", "3.3 is the oldest")]
    public async Task Version_Nonsense_IsHungUpOn(string version, string reason)
    {
        await using TestServer server = new();
        await using NetworkStream client = await server.ConnectAsync();

        await client.WriteAsync(Encoding.ASCII.GetBytes(version));

        Assert.Contains("hung up on", await server.Log.WaitForAsync(reason), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 77 }, "type 77")]
    [InlineData(new byte[] { 255, 1, 0, 0 }, "QEMU's message 1")]
    [InlineData(new byte[] { 6, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF }, "2147483647 bytes")]
    [InlineData(new byte[] { 6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF }, "4294967295 bytes")]
    [InlineData(new byte[] { 0, 0, 0, 0, 24, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0 }, "24 bits")]
    [InlineData(new byte[] { 0, 0, 0, 0, 16, 16, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0 }, "do not fit")]
    [InlineData(new byte[] { 0, 0, 0, 0, 32, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, "colour map")]
    public async Task Message_Nonsense_IsHungUpOnAndOthersAreServed(byte[] message, string reason)
    {
        await using TestServer server = new();
        await using RfbClient other = await server.LogInAsync();
        await using RfbClient client = await server.LogInAsync();

        await client.SendAsync(message);
        await server.Log.WaitForAsync(reason);

        server.Screen.Fill(new ScreenRectangle(0, 0, 9, 9), 0xFF);
        await other.FollowAsync(server.Screen);
    }

    /// <summary>The longest list and the longest clipboard there may be are read and forgotten.</summary>
    [Fact]
    public async Task SetEncodings_HugeListAndText_AreTaken()
    {
        await using TestServer server = new();
        await using RfbClient client = await server.LogInAsync();
        await client.SetEncodingsAsync([.. Enumerable.Range(1000, 65534), RfbEncoding.Zrle]);
        byte[] text = new byte[8 + (1 << 20)];
        text[0] = ClientMessage.ClientCutText;
        BinaryPrimitives.WriteInt32BigEndian(text.AsSpan(4), 1 << 20);
        await client.SendAsync(text);

        await client.FollowAsync(server.Screen);
        await client.UpdateAsync(incremental: false);

        Assert.Equal(RfbEncoding.Zrle, client.Encodings[^1]);
    }

    [Fact]
    public async Task LogIn_NeverDone_EndsAfterAWhile()
    {
        await using TestServer server = new(configure: options => options with { Patience = TimeSpan.FromMilliseconds(200) });
        await using NetworkStream client = await server.ConnectAsync();

        await server.Log.WaitForAsync("did not log in");
    }

    [Fact]
    public async Task Message_Half_EndsAfterAWhile()
    {
        await using TestServer server = new(configure: options => options with { Patience = TimeSpan.FromSeconds(2) });
        await using RfbClient client = await server.LogInAsync();

        await client.SendAsync(5, 0, 0);

        await server.Log.WaitForAsync("half a message");
    }

    /// <summary>It asks and never reads; the screen goes on for others, and what it would have got is not kept.</summary>
    [Fact]
    public async Task Client_ThatStopsReading_HoldsUpNobodyAndIsHungUpOn()
    {
        await using TestServer server = new(1024, 768, options => options with { Patience = TimeSpan.FromSeconds(3) });
        await using RfbClient reader = await server.LogInAsync();
        await using RfbClient deaf = await server.LogInAsync();
        for (int i = 0; i < 100; i++)
        {
            await deaf.RequestAsync(incremental: false);
        }

        Task hungUp = server.Log.WaitForAsync("it has read nothing for 3 seconds");
        for (int i = 0; !hungUp.IsCompleted; i++)
        {
            uint colour = (uint)i;
            server.Screen.Paint((x, y) => ((uint)((x * 7919) ^ (y * 104729)) + colour) & 0xFFFFFF);
            await deaf.RequestAsync(incremental: false).ContinueWith(_ => { }, TaskScheduler.Default); // may be hung up on already
            await reader.FollowAsync(server.Screen);
        }

        await hungUp;
    }

    [Fact]
    public async Task Connections_TooMany_AreClosedAndRoomIsMadeAgain()
    {
        await using TestServer server = new(configure: options => options with { MostClients = 4 });
        List<NetworkStream> idle = [];
        for (int i = 0; i < 4; i++)
        {
            idle.Add(await server.ConnectAsync());
            await idle[^1].ReadExactlyAsync(new byte[12]);
        }

        await using NetworkStream tooMany = await server.ConnectAsync();
        int read = await tooMany.ReadAsync(new byte[12])
            .AsTask()
            .ContinueWith(task => task.IsFaulted ? 0 : task.Result, TaskScheduler.Default);
        idle.ForEach(stream => stream.Dispose());
        while (server.Log.Lines.Count(line => line.Contains("has gone", StringComparison.Ordinal)) < 4)
        {
            await Task.Delay(5);
        }

        Assert.Equal(0, read);
        await using RfbClient client = await server.LogInAsync();
    }

    /// <summary>Bytes of any kind behind a login, by a generator that knows how messages begin: the server goes on.</summary>
    [Fact]
    public async Task Messages_OfAnyBytes_LeaveTheServerServing()
    {
        await using TestServer server = new(
            64, 64, options => options with { Patience = TimeSpan.FromMilliseconds(500), MostClients = 1000 });
        Gen<byte[]> pieces = Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf(24);
        Gen<byte[]> messages = pieces.SelectMany(bytes => Gen.Elements<byte>(0, 2, 3, 4, 5, 6, 251, 255, bytes[0])
            .Select(type => (byte[])[type, .. bytes[..(bytes[1] % 24)]]));
        foreach (byte[] message in messages.ListOf(8).Sample(60).SelectMany(list => list.Take(3)).Take(120))
        {
            await using NetworkStream stream = await server.ConnectAsync();
            await stream.WriteAsync((byte[])[.. "RFB 003.008\n\u0001\u0001"u8, .. message]);
        }

        await using RfbClient client = await server.LogInAsync();
        await client.FollowAsync(server.Screen);

        Assert.DoesNotContain(server.Log.Lines, line => line.Contains("defect", StringComparison.Ordinal));
    }
}
