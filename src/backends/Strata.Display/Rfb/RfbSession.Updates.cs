using Strata.Core.Display;
using Strata.Display.Encodings;
using Strata.Display.Feed;
using Strata.Display.Serving;

namespace Strata.Display.Rfb;

/// <content>What is sent to it.</content>
internal sealed partial class RfbSession
{
    /// <summary>More rectangles than that are sent as one around them.</summary>
    private const int MostRectangles = 1000;

    /// <summary>What is written down before it is sent, beside the rectangle that is being encoded.</summary>
    private const int SendSize = 1 << 16;

    private const byte FramebufferUpdate = 0;
    private const byte SetColourMapEntries = 1;
    private const int ResizeProhibited = 1;

    /// <summary>The shortest time between updates that a client asks for without need.</summary>
    private static readonly TimeSpan Pacing = TimeSpan.FromMilliseconds(10);

    private readonly Stream _stream;
    private readonly VncServerOptions _options;
    private readonly ScreenFeed _feed;
    private readonly ScreenView _view;
    private readonly WakeSignal _wake = new();

    // Of the task that sends
    private readonly ClientPicture _client = new();
    private readonly Dictionary<int, IRectangleEncoder> _encoders = [];
    private readonly List<ScreenRectangle> _areas = [];
    private readonly List<ScreenRectangle> _pieces = [];
    private readonly RfbWriter _writer = new();
    private bool _saidScreens;
    private bool _saidCursor;
    private bool _saidKeyCodes;
    private bool? _saidRelative; // what the client was told to send: movements, or places

    private async Task SendInitAsync()
    {
        (int width, int height) = _feed.Read(picture => (Math.Max(picture.Width, 1), Math.Max(picture.Height, 1)));
        _client.Resize(width, height);
        _writer.Number16(width);
        _writer.Number16(height);
        PixelFormat.Native.Write(_writer.Take(PixelFormat.Size));
        _writer.Text(_options.Name);
        await SendWrittenAsync().ConfigureAwait(false);
    }

    private async Task SendUpdatesAsync()
    {
        while (true)
        {
            await _wake.WaitAsync(_ending).ConfigureAwait(false);
            if (!TryTakeRequest(out Request request))
            {
                continue;
            }

            if (request.IsWhole)
            {
                await Task.Delay(Pacing, _ending).ConfigureAwait(false);
            }

            if (!await TrySendUpdateAsync(request).ConfigureAwait(false))
            {
                PutBack();
                _view.Want();
            }
        }
    }

    private bool TryTakeRequest(out Request request)
    {
        lock (_gate)
        {
            request = new Request(_settings, _needsMap, _needsResizeAnswer, IsWhole: _asked.Count > 0);
            if (!_isAsked)
            {
                return false;
            }

            _isAsked = _needsMap = _needsResizeAnswer = false;
            foreach (ScreenRectangle area in _asked)
            {
                _client.Invalidate(area);
            }

            _asked.Clear();
            return true;
        }
    }

    /// <summary>Nothing was to be sent: the client's request stays open.</summary>
    private void PutBack()
    {
        lock (_gate)
        {
            _isAsked = true;
        }
    }

    private async Task<bool> TrySendUpdateAsync(Request request)
    {
        ClientSettings settings = request.Settings;
        ScreenRectangle? copied = null;
        int copiedFrom = 0;
        bool resized = false;
        _view.Look((screen, damage, isResized) =>
        {
            resized = TakeSize(screen, settings, isResized);
            if (!resized)
            {
                _client.TakeOver(screen, damage, settings.CanCopy, out copied, out copiedFrom);
            }
        });
        if (request.NeedsMap)
        {
            WriteColourMap();
        }

        IRectangleEncoder encoder = GetEncoder(settings.Encoding);
        _pieces.Clear();
        if (!resized) // with another size, the client throws away what comes beside it
        {
            CutDifferences(encoder);
        }

        int start = _writer.Length;
        _writer.Byte(FramebufferUpdate);
        _writer.Byte(0);
        _writer.Number16(0);
        int count = WriteWords(settings, resized, request.NeedsResizeAnswer);
        if (copied is { } moved)
        {
            WriteHeader(moved, RfbEncoding.CopyRect);
            _writer.Number16(moved.X);
            _writer.Number16(copiedFrom);
            count++;
        }

        if (count + _pieces.Count == 0)
        {
            _writer.CutTo(start);
            await SendWrittenAsync().ConfigureAwait(false);
            return false;
        }

        _writer.Patch16(start + 2, count + _pieces.Count);
        await SendPiecesAsync(encoder, settings.Pixels).ConfigureAwait(false);
        return true;
    }

    /// <summary>Gives the client's picture the screen's size if it can follow.</summary>
    /// <returns>Whether the client is to be told of another size.</returns>
    private bool TakeSize(ScreenPicture screen, ClientSettings settings, bool isResized)
    {
        if (settings.CanResize && screen.Width > 0 && screen.Bounds != _client.Picture.Bounds)
        {
            _client.Resize(screen.Width, screen.Height);
            return true;
        }

        if (isResized)
        {
            _client.Blank();
        }

        return false;
    }

    private void CutDifferences(IRectangleEncoder encoder)
    {
        _client.Take(_areas);
        if (_areas.Count > MostRectangles)
        {
            ScreenRectangle all = _areas.Aggregate(Enclose);
            _areas.Clear();
            _areas.Add(all);
        }

        foreach (ScreenRectangle area in _areas)
        {
            encoder.Cut(area, _pieces);
        }
    }

    private async Task SendPiecesAsync(IRectangleEncoder encoder, PixelTranslator pixels)
    {
        foreach (ScreenRectangle piece in _pieces)
        {
            WriteHeader(piece, encoder.Number);
            encoder.Encode(_client.Picture, piece, pixels, _writer);
            if (_writer.Length >= SendSize)
            {
                await SendWrittenAsync().ConfigureAwait(false);
            }
        }

        await SendWrittenAsync().ConfigureAwait(false);
    }

    /// <summary>Rectangles that are no pixels: what the server can do, once each, and the size.</summary>
    private int WriteWords(ClientSettings settings, bool resized, bool refusesSize)
    {
        int count = 0;
        if (settings.HasScreenList && (resized || refusesSize || !_saidScreens))
        {
            WriteScreens(refusesSize);
            _saidScreens = true;
            count++;
        }
        else if (resized)
        {
            WriteHeader(_client.Picture.Bounds, RfbEncoding.DesktopSize);
            count++;
        }

        if (settings.HasCursor && !_saidCursor)
        {
            WriteCursor(settings.Pixels);
            _saidCursor = true;
            count++;
        }

        count += SayOnce(settings.HasKeyCodes && _keyboard is not null, ref _saidKeyCodes, RfbEncoding.ExtendedKeyEvent);
        return count + SayMovements(settings);
    }

    /// <summary>A guest that has set its tablet up gets places, another movements.</summary>
    private int SayMovements(ClientSettings settings)
    {
        if (!settings.HasMovements || _pointer is null || _saidRelative == !_pointer.IsAbsolute)
        {
            return 0;
        }

        bool isRelative = !_pointer.IsAbsolute;
        lock (_gate)
        {
            _saidRelative = isRelative;
        }

        WriteHeader(new ScreenRectangle(isRelative ? 0 : 1, 0, 0, 0), RfbEncoding.PointerMotionChange);
        return 1;
    }

    private int SayOnce(bool isDue, ref bool said, int encoding)
    {
        if (!isDue || said)
        {
            return 0;
        }

        said = true;
        WriteHeader(default, encoding);
        return 1;
    }

    private void WriteScreens(bool refusesSize)
    {
        WriteHeader(
            new ScreenRectangle(refusesSize ? 1 : 0, refusesSize ? ResizeProhibited : 0, _client.Picture.Width, _client.Picture.Height),
            RfbEncoding.ExtendedDesktopSize);
        _writer.Number32(1 << 24); // one screen, and three bytes of nothing
        _writer.Number32(0);
        _writer.Number16(0);
        _writer.Number16(0);
        _writer.Number16(_client.Picture.Width);
        _writer.Number16(_client.Picture.Height);
        _writer.Number32(0);
    }

    /// <summary>
    /// A dot with a rim: where the client's pointer is. The guest's own is part of the picture, and a mouse only knows movements, so they
    /// can be at different places.
    /// </summary>
    private void WriteCursor(PixelTranslator pixels)
    {
        const int Side = 5;
        WriteHeader(new ScreenRectangle(Side / 2, Side / 2, Side, Side), RfbEncoding.Cursor);
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                bool isRim = x is 0 or Side - 1 || y is 0 or Side - 1;
                pixels.Write(isRim ? 0xFFFFFFu : 0, _writer);
            }
        }

        _writer.Take(Side).Fill(0xF8); // all of it shows
    }

    private void WriteColourMap()
    {
        _writer.Byte(SetColourMapEntries);
        _writer.Byte(0);
        _writer.Number16(0);
        _writer.Number16(256);
        for (int i = 0; i < 256; i++)
        {
            _writer.Number16((i >> PixelFormat.Map.RedShift & PixelFormat.Map.RedMax) * ushort.MaxValue / PixelFormat.Map.RedMax);
            _writer.Number16((i >> PixelFormat.Map.GreenShift & PixelFormat.Map.GreenMax) * ushort.MaxValue / PixelFormat.Map.GreenMax);
            _writer.Number16((i & PixelFormat.Map.BlueMax) * ushort.MaxValue / PixelFormat.Map.BlueMax);
        }
    }

    private void WriteHeader(ScreenRectangle rectangle, int encoding)
    {
        _writer.Number16(rectangle.X);
        _writer.Number16(rectangle.Y);
        _writer.Number16(rectangle.Width);
        _writer.Number16(rectangle.Height);
        _writer.Number32(encoding);
    }

    private IRectangleEncoder GetEncoder(int number)
    {
        if (!_encoders.TryGetValue(number, out IRectangleEncoder? encoder))
        {
            encoder = number switch
            {
                RfbEncoding.Hextile => new HextileEncoder(),
                RfbEncoding.Tight => new TightEncoder(),
                RfbEncoding.Zrle => new ZrleEncoder(),
                _ => new RawEncoder(),
            };
            _encoders.Add(number, encoder);
        }

        return encoder;
    }

    private async Task SendWrittenAsync()
    {
        if (_writer.Length == 0)
        {
            return;
        }

        using CancellationTokenSource slow = CancellationTokenSource.CreateLinkedTokenSource(_ending);
        slow.CancelAfter(_options.Patience);
        try
        {
            await _stream.WriteAsync(_writer.Written, slow.Token).ConfigureAwait(false);
            await _stream.FlushAsync(slow.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!_ending.IsCancellationRequested)
        {
            throw new RfbException($"it has read nothing for {_options.Patience.TotalSeconds:0} seconds", e);
        }

        _writer.Clear();
    }

    /// <summary>What a client asked for.</summary>
    /// <param name="NeedsMap">It has to be told the colours of its map.</param>
    /// <param name="NeedsResizeAnswer">It wants another size, and gets an answer.</param>
    /// <param name="IsWhole">It wants a part that it may have already.</param>
    private readonly record struct Request(ClientSettings Settings, bool NeedsMap, bool NeedsResizeAnswer, bool IsWhole);
}
