using Strata.Core.Display;
using Strata.Core.Input;
using Strata.Display.Feed;
using Strata.Display.Keys;
using Strata.Display.Text;

namespace Strata.Screens;

/// <summary>
/// A machine's screen in a terminal: its text with its colours; of a picture without text its size. What is typed there
/// goes to the machine's keyboard. Dispose it before the machine.
/// </summary>
public sealed class TerminalDisplay : IAsyncDisposable
{
    private readonly IScreen _screen;
    private readonly Action<ReadOnlyMemory<byte>> _write;
    private readonly ScreenFeed _feed;
    private readonly ScreenView _view;
    private readonly WakeSignal _wake = new();
    private readonly KeyboardInput _keyboard;
    private readonly TerminalPainter _painter = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _showing;
    private bool _disposed;

    internal TerminalDisplay(IScreen screen, IKeyboard keyboard, Action<ReadOnlyMemory<byte>> write)
    {
        _screen = screen;
        _write = write;
        _feed = new ScreenFeed(screen, TimeProvider.System);
        _view = _feed.Open(_wake.Set);
        _keyboard = new KeyboardInput(keyboard, TimeProvider.System);
        _showing = ShowAsync();
    }

    /// <summary>Types what a terminal sends for its keys.</summary>
    public async Task TypeAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        foreach (IReadOnlyList<KeyChange> stroke in TerminalKeys.Read(bytes.Span))
        {
            await _keyboard.SendAsync(stroke, cancellationToken: cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _ending.CancelAsync().ConfigureAwait(false);
        await _showing.ConfigureAwait(false);
        _view.Dispose();
        await _feed.DisposeAsync().ConfigureAwait(false);
        _keyboard.Dispose();
        _ending.Dispose();
        _write(_painter.Leave());
    }

    private async Task ShowAsync()
    {
        try
        {
            while (true)
            {
                (int width, int height) = _view.Read(picture => (picture.Width, picture.Height));
                ReadOnlyMemory<byte> output = _painter.Paint(_screen.ReadText(), width, height);
                if (!output.IsEmpty)
                {
                    _write(output);
                }

                _view.Want();
                await _wake.WaitAsync(_ending.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // the end
        }
    }
}
