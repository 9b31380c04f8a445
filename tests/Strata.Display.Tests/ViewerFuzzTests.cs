using System.Buffers.Binary;
using System.Net.Sockets;
using Strata.Core.Display;
using Strata.Devices.Tests.Harness;
using Strata.Display.Rfb;
using Strata.Display.Tests.Harness;

namespace Strata.Display.Tests;

/// <summary>
/// Viewers that log in and send valid messages, changed ones and noise in any order, in pieces of any size, and go at any moment.
/// Another viewer is served meanwhile, and afterwards there is room again.
/// </summary>
public sealed class ViewerFuzzTests
{
    private const int Viewers = 12;
    private const int MostMessages = 40;

    private static readonly int[] Encodings = [
        RfbEncoding.Raw, RfbEncoding.CopyRect, RfbEncoding.Hextile, RfbEncoding.Zrle, RfbEncoding.Tight, -223, -224, -239, -258, -308, -1,
        int.MinValue];

    [Theory]
    [ClassData(typeof(FuzzSeeds))]
    public async Task Messages_ChangedAndCutAnywhere_LeaveOtherViewersServed(int seed)
    {
        await using TestServer server = new(200, 120, options => options with { Patience = TimeSpan.FromSeconds(20), MostClients = 64 });
        await using RfbClient other = await server.LogInAsync();
        Random random = new(seed);
        Random[] seeds = [.. Enumerable.Range(0, Viewers).Select(_ => new Random(random.Next()))];

        Task viewers = Task.WhenAll(seeds.Select(own => ViewAsync(server, own)));
        for (uint colour = 1; !viewers.IsCompleted || colour < 4; colour++)
        {
            server.Screen.Fill(new ScreenRectangle(random.Next(100), random.Next(60), 1 + random.Next(100), 1 + random.Next(60)), colour);
            await other.FollowAsync(server.Screen);
        }

        await viewers;
        while (server.Log.Lines.Count(IsEnd) < Viewers)
        {
            await Task.Delay(5);
        }

        Assert.DoesNotContain(server.Log.Lines, line => line.Contains("defect", StringComparison.Ordinal));
    }

    private static bool IsEnd(string line) =>
        line.Contains("has gone", StringComparison.Ordinal) || line.Contains("hung up on", StringComparison.Ordinal);

    private static async Task ViewAsync(TestServer server, Random random)
    {
        try
        {
            await using NetworkStream stream = await server.ConnectAsync();
            byte[] bytes = [.. LogIn(random), .. Enumerable.Range(0, random.Next(MostMessages)).SelectMany(_ => Message(random))];
            for (int sent = 0; sent < bytes.Length;)
            {
                int count = Math.Min(bytes.Length - sent, 1 + random.Next(200));
                await stream.WriteAsync(bytes.AsMemory(sent, count));
                sent += count;
                await SkipAsync(stream);
            }
        }
        catch (IOException)
        {
            // The server hung up, as it should on nonsense.
        }
    }

    /// <summary>Takes what has come, so that the server is not held up by a full pipe.</summary>
    private static async Task SkipAsync(NetworkStream stream)
    {
        byte[] buffer = new byte[1 << 16];
        while (stream.DataAvailable)
        {
            _ = await stream.ReadAsync(buffer);
        }
    }

    private static byte[] LogIn(Random random)
    {
        byte[] version = random.Next(3) switch
        {
            0 => [.. "RFB 003.003\n"u8],
            1 => [.. "RFB 003.007\n"u8, 1],
            _ => [.. "RFB 003.008\n"u8, 1],
        };
        return Change([.. version, 1], random, rarity: 12);
    }

    private static byte[] Message(Random random) => Change(random.Next(9) switch
    {
        0 => SetFormat(random),
        1 => SetEncodings(random),
        2 or 3 => Request(random),
        4 => [ClientMessage.KeyEvent, (byte)random.Next(2), 0, 0, .. Word(random.Next(0x10000))],
        5 => [ClientMessage.PointerEvent, (byte)random.Next(256), .. Word((int)random.NextInt64())],
        6 => [ClientMessage.ClientCutText, 0, 0, 0, 0, 0, 0, 5, .. "a\r\n\0b"u8],
        7 => [255, 0, 0, 1, .. Word(random.Next(0x10000)), .. Word(random.Next(256))],
        _ => Noise(random),
    }, random, rarity: 6);

    private static byte[] SetFormat(Random random)
    {
        byte[] message = new byte[4 + PixelFormat.Size];
        byte depth = (byte)(8 << random.Next(3));
        ((byte[])[depth, depth == 32 ? (byte)24 : depth, (byte)random.Next(2), 1]).CopyTo(message, 4);
        (message[9], message[11], message[13]) = depth == 8 ? ((byte)7, (byte)7, (byte)3) : ((byte)31, (byte)31, (byte)31);
        (message[14], message[15], message[16]) = depth == 8 ? ((byte)0, (byte)3, (byte)6) : ((byte)10, (byte)5, (byte)0);
        return message;
    }

    private static byte[] SetEncodings(Random random)
    {
        int[] chosen = [.. Enumerable.Range(0, random.Next(12)).Select(_ => Encodings[random.Next(Encodings.Length)])];
        return [ClientMessage.SetEncodings, 0, 0, (byte)chosen.Length, .. chosen.SelectMany(Word)];
    }

    private static byte[] Request(Random random)
    {
        byte[] message = new byte[10];
        message[0] = ClientMessage.FramebufferUpdateRequest;
        message[1] = (byte)random.Next(2);
        for (int i = 2; i < 10; i += 2)
        {
            BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(i), (ushort)(random.Next(0x10000) >> random.Next(16)));
        }

        return message;
    }

    private static byte[] Noise(Random random)
    {
        byte[] noise = new byte[random.Next(30)];
        random.NextBytes(noise);
        return noise;
    }

    /// <summary>Now and then a byte differs, or the end is missing.</summary>
    private static byte[] Change(byte[] message, Random random, int rarity)
    {
        if (message.Length > 0 && random.Next(rarity) == 0)
        {
            message[random.Next(message.Length)] = (byte)random.Next(256);
        }

        return random.Next(rarity * 4) == 0 ? message[..random.Next(message.Length)] : message;
    }

    private static byte[] Word(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
