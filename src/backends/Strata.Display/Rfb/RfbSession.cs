using System.Buffers.Binary;
using Strata.Core.Display;
using Strata.Core.Input;
using Strata.Display.Feed;
using Strata.Display.Keys;
using Strata.Display.Serving;

namespace Strata.Display.Rfb;

/// <summary>
/// A client that has logged in. One task reads its messages, another sends updates; what the client does not fetch is not kept, as an
/// update is made of what differs when it is sent.
/// </summary>
internal sealed partial class RfbSession : IDisposable
{
    /// <summary>A longer text of the client's clipboard is none: it would only be thrown away.</summary>
    private const int MostText = 1 << 20;

    private readonly RfbReader _reader;
    private readonly KeyboardInput? _keyboard;
    private readonly PointerInput? _pointer;
    private readonly KeyTranslator _keys = new();
    private readonly List<KeyChange> _changes = [];
    private readonly CancellationTokenSource _connection;
    private readonly CancellationToken _ending;

    // Between the two tasks, under _gate
    private readonly Lock _gate = new();
    private readonly List<ScreenRectangle> _asked = []; // areas that the client wants whatever it has
    private ClientSettings _settings = new();
    private bool _isAsked;
    private bool _needsMap;
    private bool _needsResizeAnswer;

    public RfbSession(
        RfbLogin login, VncServerOptions options, ScreenFeed feed, KeyboardInput? keyboard, IPointer? pointer, ITablet? tablet,
        CancellationTokenSource connection)
    {
        _reader = login.Reader;
        _stream = login.Stream;
        _options = options;
        _feed = feed;
        _keyboard = keyboard;
        _pointer = pointer is null ? null : new PointerInput(pointer, tablet);
        _connection = connection;
        _ending = connection.Token;
        _view = feed.Open(_wake.Set);
    }

    /// <summary>Serves the client until it goes.</summary>
    /// <remarks>The connection is cancelled behind it.</remarks>
    /// <exception cref="RfbException">It does what the protocol does not have, or stopped reading.</exception>
    public async Task RunAsync()
    {
        await SendInitAsync().ConfigureAwait(false);
        Task[] both = [SendUpdatesAsync(), ReadMessagesAsync()];
        Task first = await Task.WhenAny(both).ConfigureAwait(false);
        await _connection.CancelAsync().ConfigureAwait(false); // ends the other one
        await Task.WhenAll(both).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first.ConfigureAwait(false);
    }

    /// <summary>Lets go what the client held.</summary>
    public async Task ReleaseAsync()
    {
        _pointer?.Release();
        _changes.Clear();
        _keys.ReleaseAll(_changes);
        if (_keyboard is not null && _changes.Count > 0)
        {
            await _keyboard.SendAsync(_changes, cancellationToken: CancellationToken.None).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _view.Dispose();
        foreach (IDisposable encoder in _encoders.Values.OfType<IDisposable>())
        {
            encoder.Dispose();
        }
    }

    private async Task ReadMessagesAsync()
    {
        while (true)
        {
            int type = await _reader.ReadTypeAsync().ConfigureAwait(false);
            switch (type)
            {
                case < 0:
                    return;
                case ClientMessage.SetPixelFormat:
                    SetPixelFormat((await _reader.ReadAsync(3 + PixelFormat.Size).ConfigureAwait(false)).Span[3..]);
                    break;
                case ClientMessage.SetEncodings:
                    await SetEncodingsAsync().ConfigureAwait(false);
                    break;
                case ClientMessage.FramebufferUpdateRequest:
                    RequestUpdate((await _reader.ReadAsync(9).ConfigureAwait(false)).Span);
                    break;
                case ClientMessage.KeyEvent:
                    ReadKey((await _reader.ReadAsync(7).ConfigureAwait(false)).Span);
                    await SendKeysAsync().ConfigureAwait(false);
                    break;
                case ClientMessage.PointerEvent:
                    ReadPointer((await _reader.ReadAsync(5).ConfigureAwait(false)).Span);
                    _feed.Expect();
                    break;
                case ClientMessage.ClientCutText:
                    await SkipTextAsync().ConfigureAwait(false);
                    break;
                case ClientMessage.SetDesktopSize:
                    await RefuseSizeAsync().ConfigureAwait(false);
                    break;
                case ClientMessage.Qemu:
                    await ReadQemuAsync().ConfigureAwait(false);
                    break;
                default:
                    throw new RfbException($"it sent a message of type {type}, which was not offered to it");
            }
        }
    }

    private void SetPixelFormat(ReadOnlySpan<byte> bytes)
    {
        PixelTranslator pixels = new(PixelFormat.Read(bytes));
        lock (_gate)
        {
            _settings = _settings with { Pixels = pixels };
            _needsMap = !pixels.Format.IsTrueColour;
        }
    }

    private async Task SetEncodingsAsync()
    {
        int count = BinaryPrimitives.ReadUInt16BigEndian((await _reader.ReadAsync(3).ConfigureAwait(false)).Span[1..]);
        ClientSettings settings = new();
        bool hasPixels = false;
        for (int i = 0; i < count; i++)
        {
            settings = settings.With(await _reader.ReadNumber32Async().ConfigureAwait(false), ref hasPixels);
        }

        lock (_gate)
        {
            _settings = settings with { Pixels = _settings.Pixels };
        }
    }

    private void RequestUpdate(ReadOnlySpan<byte> message)
    {
        bool isIncremental = message[0] != 0;
        lock (_gate)
        {
            _isAsked = true;
            if (!isIncremental)
            {
                ScreenRectangle area = new(
                    BinaryPrimitives.ReadUInt16BigEndian(message[1..]), BinaryPrimitives.ReadUInt16BigEndian(message[3..]),
                    BinaryPrimitives.ReadUInt16BigEndian(message[5..]), BinaryPrimitives.ReadUInt16BigEndian(message[7..]));
                if (_asked.Count > 0)
                {
                    _asked[0] = Enclose(_asked[0], area);
                }
                else
                {
                    _asked.Add(area);
                }
            }
        }

        _wake.Set();
    }

    private static ScreenRectangle Enclose(ScreenRectangle a, ScreenRectangle b)
    {
        int x = Math.Min(a.X, b.X);
        int y = Math.Min(a.Y, b.Y);
        return new ScreenRectangle(x, y, Math.Max(a.Right, b.Right) - x, Math.Max(a.Bottom, b.Bottom) - y);
    }

    private void ReadKey(ReadOnlySpan<byte> message) =>
        _keys.Translate(BinaryPrimitives.ReadUInt32BigEndian(message[3..]), message[0] != 0, _changes);

    private async Task SendKeysAsync()
    {
        if (_keyboard is not null && _changes.Count > 0)
        {
            await _keyboard.SendAsync(_changes, areHeld: true, _ending).ConfigureAwait(false);
        }

        _changes.Clear();
        _feed.Expect();
    }

    private void ReadPointer(ReadOnlySpan<byte> message)
    {
        bool isMovement;
        lock (_gate)
        {
            isMovement = _settings.HasMovements && _saidRelative != false;
        }

        _pointer?.Move(
            BinaryPrimitives.ReadUInt16BigEndian(message[1..]), BinaryPrimitives.ReadUInt16BigEndian(message[3..]),
            _feed.Read(picture => (picture.Width, picture.Height)), message[0], isMovement);
    }

    /// <summary>There is no clipboard in a machine: the text goes nowhere.</summary>
    private async Task SkipTextAsync()
    {
        int length = BinaryPrimitives.ReadInt32BigEndian((await _reader.ReadAsync(7).ConfigureAwait(false)).Span[3..]);
        if (length is < 0 or > MostText)
        {
            throw new RfbException($"its clipboard has {(uint)length} bytes, where {MostText} are the most");
        }

        await _reader.SkipAsync(length).ConfigureAwait(false);
    }

    /// <summary>The guest alone sets the size.</summary>
    private async Task RefuseSizeAsync()
    {
        int screens = (await _reader.ReadAsync(7).ConfigureAwait(false)).Span[5];
        await _reader.SkipAsync(screens * 16).ConfigureAwait(false);
        lock (_gate)
        {
            _needsResizeAnswer = true;
        }

        _wake.Set();
    }

    private async Task ReadQemuAsync()
    {
        byte kind = await _reader.ReadByteAsync().ConfigureAwait(false);
        if (kind != ClientMessage.QemuExtendedKeyEvent)
        {
            throw new RfbException($"it sent QEMU's message {kind}, which was not offered to it");
        }

        AddKeyCode((await _reader.ReadAsync(10).ConfigureAwait(false)).Span);
        await SendKeysAsync().ConfigureAwait(false);
    }

    private void AddKeyCode(ReadOnlySpan<byte> message)
    {
        bool pressed = BinaryPrimitives.ReadUInt16BigEndian(message) != 0;
        uint symbol = BinaryPrimitives.ReadUInt32BigEndian(message[2..]);
        uint code = BinaryPrimitives.ReadUInt32BigEndian(message[6..]);
        if (code is > 0 and <= 0xFF)
        {
            _keys.Press((KeyCode)code, pressed, _changes);
        }
        else
        {
            _keys.Translate(symbol, pressed, _changes); // a key whose code the client does not know
        }
    }
}
