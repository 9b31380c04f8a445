using System.Buffers.Binary;
using System.Text;
using Strata.Core.Display;
using Strata.Display.Rfb;
using Strata.Display.Serving;

namespace Strata.Display.Tests.Harness;

/// <summary>A viewer: it decodes what a server sends into a picture of its own format, and compares nothing.</summary>
internal sealed class RfbClient : IAsyncDisposable
{
    private readonly Stream _stream;
    private readonly RectangleDecoder _decoder;

    private RfbClient(Stream stream)
    {
        _stream = stream;
        _decoder = new RectangleDecoder(stream);
    }

    public int Width => _decoder.Width;

    public int Height => _decoder.Height;

    public string Name { get; private set; } = string.Empty;

    /// <summary>Pixels as numbers of the client's format.</summary>
    public uint[] Pixels => _decoder.Pixels;

    /// <summary>Encodings of the rectangles that came, in their order.</summary>
    public List<int> Encodings { get; } = [];

    /// <summary>x, y, width and height of the rectangles that came.</summary>
    public List<ScreenRectangle> Rectangles { get; } = [];

    /// <summary>The colours of the map that the server sent; null if it sent none.</summary>
    public ushort[]? Map { get; private set; }

    public static async Task<RfbClient> LogInAsync(Stream stream, string version = "003.008", string? password = null)
    {
        RfbClient client = new(stream);
        await client.LogInWithAsync(version, password);
        return client;
    }

    public async Task SendAsync(params byte[] bytes)
    {
        await _stream.WriteAsync(bytes);
        await _stream.FlushAsync();
    }

    public Task SetFormatAsync(PixelFormat format)
    {
        byte[] message = new byte[4 + PixelFormat.Size];
        format.Write(message.AsSpan(4));
        _decoder.Format = format;
        return SendAsync(message);
    }

    public Task SetEncodingsAsync(params int[] encodings)
    {
        byte[] message = new byte[4 + (encodings.Length * 4)];
        message[0] = ClientMessage.SetEncodings;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)encodings.Length);
        for (int i = 0; i < encodings.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4 + (i * 4)), encodings[i]);
        }

        return SendAsync(message);
    }

    public Task RequestAsync(bool incremental)
    {
        byte[] message = new byte[10];
        message[0] = ClientMessage.FramebufferUpdateRequest;
        message[1] = incremental ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(6), (ushort)Width);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(8), (ushort)Height);
        return SendAsync(message);
    }

    public Task SendKeyAsync(uint symbol, bool pressed)
    {
        byte[] message = new byte[8];
        message[0] = ClientMessage.KeyEvent;
        message[1] = pressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), symbol);
        return SendAsync(message);
    }

    /// <summary>Asks for an update and takes it.</summary>
    public async Task UpdateAsync(bool incremental = true)
    {
        await RequestAsync(incremental);
        await ReceiveAsync();
    }

    /// <summary>Takes messages up to an update.</summary>
    public async Task ReceiveAsync()
    {
        while (!await ReceiveMessageAsync())
        {
        }
    }

    /// <summary>Takes updates until the picture is a screen's.</summary>
    public async Task FollowAsync(FakeScreen screen)
    {
        while (!Pixels.AsSpan().SequenceEqual(screen.Pixels))
        {
            await UpdateAsync();
        }
    }

    public ValueTask DisposeAsync()
    {
        _decoder.Dispose();
        return _stream.DisposeAsync();
    }

    private async Task LogInWithAsync(string version, string? password)
    {
        Assert.Equal("RFB 003.008\n", Encoding.ASCII.GetString(await ReadAsync(12)));
        await SendAsync(Encoding.ASCII.GetBytes($"RFB {version}\n"));
        byte type;
        if (version is "003.007" or "003.008")
        {
            byte count = (await ReadAsync(1))[0];
            Assert.Equal(1, count);
            type = (await ReadAsync(1))[0];
            await SendAsync(type);
        }
        else
        {
            type = (await ReadAsync(4))[3];
        }

        Assert.Equal(password is null ? 1 : 2, type);
        if (password is not null)
        {
            await SendAsync(new VncPassword(password).Answer(await ReadAsync(16)));
        }

        if (type == 2 || version == "003.008")
        {
            Assert.Equal(new byte[4], await ReadAsync(4));
        }

        await InitAsync();
    }

    private async Task InitAsync()
    {
        await SendAsync(1);
        byte[] init = await ReadAsync(24);
        _decoder.Resize(BinaryPrimitives.ReadUInt16BigEndian(init), BinaryPrimitives.ReadUInt16BigEndian(init.AsSpan(2)));
        _decoder.Format = PixelFormat.Read(init.AsSpan(4));
        Name = Encoding.UTF8.GetString(await ReadAsync(BinaryPrimitives.ReadInt32BigEndian(init.AsSpan(20))));
    }

    private async Task<bool> ReceiveMessageAsync()
    {
        byte type = (await ReadAsync(1))[0];
        if (type == 1)
        {
            byte[] head = await ReadAsync(5);
            byte[] colours = await ReadAsync(BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(3)) * 6);
            Map = [.. Enumerable.Range(0, colours.Length / 2).Select(i => BinaryPrimitives.ReadUInt16BigEndian(colours.AsSpan(i * 2)))];
            return false;
        }

        Assert.Equal(0, type);
        int count = BinaryPrimitives.ReadUInt16BigEndian((await ReadAsync(3)).AsSpan(1));
        for (int i = 0; i < count; i++)
        {
            byte[] head = await ReadAsync(12);
            ScreenRectangle rectangle = new(
                BinaryPrimitives.ReadUInt16BigEndian(head), BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2)),
                BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(4)), BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(6)));
            int encoding = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(8));
            Encodings.Add(encoding);
            Rectangles.Add(rectangle);
            await _decoder.DecodeAsync(rectangle, encoding);
        }

        return true;
    }

    private async Task<byte[]> ReadAsync(int count)
    {
        byte[] bytes = new byte[count];
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        await _stream.ReadExactlyAsync(bytes, limit.Token);
        return bytes;
    }
}
