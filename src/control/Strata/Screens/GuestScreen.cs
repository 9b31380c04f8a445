using Microsoft.Extensions.Logging;
using Strata.Core.Display;
using Strata.Core.Input;
using Strata.Machines.Boards;

namespace Strata.Screens;

/// <summary>
/// A machine's display, keyboard and mouse, for programs that look and type. Machines with firmware have them. Members are safe on any
/// thread; one program types at a time.
/// </summary>
/// <example>
/// <code>
/// await vm.Screen.WaitForTextAsync("boot:", cancellationToken);
/// await vm.Screen.TypeAsync("install\n", cancellationToken);
/// await File.WriteAllBytesAsync("installer.png", vm.Screen.ToPng(), cancellationToken);
/// </code>
/// </example>
#pragma warning disable CA1001 // a semaphore whose wait handle nobody asks for holds nothing that would have to be given back
public sealed class GuestScreen
#pragma warning restore CA1001
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan KeyTime = TimeSpan.FromMilliseconds(15);
    private static readonly TimeSpan KeyInterval = TimeSpan.FromMilliseconds(2);

    private readonly PcBoard _board;
    private readonly IScreen _screen;
    private readonly SemaphoreSlim _typing = new(1);

    private readonly ILogger _logger;

    internal GuestScreen(PcBoard board, IScreen screen, ILogger logger) => (_board, _screen, _logger) = (board, screen, logger);

    /// <summary>The display, for those who follow what changes.</summary>
    public IScreen Source => _screen;

    /// <summary>The keyboard, for those who pass keys on.</summary>
    public IKeyboard Keyboard => _board.Keyboard;

    /// <summary>The mouse, for those who pass motion on.</summary>
    public IPointer Pointer => _board.Pointer!;

    /// <summary>The tablet, for those who know places; null for a machine without one.</summary>
    public ITablet? Tablet => _board.Tablet;

    /// <summary>The text that shows, line by line, of a text mode or in a picture; null where there is none.</summary>
    public string? ReadText() => _screen.ReadText()?.ToString();

    /// <summary>What shows now.</summary>
    public ScreenPicture Capture()
    {
        ScreenPicture picture = new();
        _screen.Update(picture, []);
        return picture;
    }

    /// <summary>What shows now, as a PNG file.</summary>
    public byte[] ToPng()
    {
        ScreenPicture picture = Capture();
        return PngWriter.Write(picture.Width, picture.Height, picture.Pixels);
    }

    /// <summary>Waits until a line shows a text; blanks at its end count.</summary>
    /// <exception cref="StrataException">The machine ended before.</exception>
    public async Task WaitForTextAsync(string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        while (true)
        {
            bool hasEnded = _board.Exit.IsCompleted; // before the last look
            if (_screen.ReadText() is { } shown && shown.Lines.Any(line => line.Contains(text, StringComparison.Ordinal)))
            {
                return;
            }

            if (hasEnded)
            {
                throw new StrataException(StrataError.Guest, $"The machine ended, and its screen did not show \"{text}\".");
            }

            await Task.Delay(LookInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Types a text, as fast as the guest takes it. A line feed is Enter, a tabulator Tab.</summary>
    /// <exception cref="StrataException">No key writes a character of it; nothing has been typed. Or the machine ended.</exception>
    public Task TypeAsync(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return SendAsync([.. text.Select(KeysOf)], cancellationToken);
    }

    /// <summary>Presses keys together and releases them, such as "ctrl-alt-f2" or "enter".</summary>
    /// <exception cref="StrataException">There is no such key; or the machine ended.</exception>
    public Task PressAsync(string keys, CancellationToken cancellationToken = default) =>
        SendAsync([KeyNames.ParseChord(keys)], cancellationToken);

    /// <summary>Moves the mouse, and holds just these buttons from now on.</summary>
    /// <param name="x">To the right, in the mouse's counts.</param>
    /// <param name="y">Downwards.</param>
    /// <param name="wheel">Notches, towards the user.</param>
    public void MoveMouse(int x, int y, int wheel = 0, PointerButtons buttons = PointerButtons.None) => Pointer.Move(x, y, wheel, buttons);

    /// <summary>Shows the screen to VNC viewers, and takes their keys and motion.</summary>
    /// <param name="name">What viewers call it.</param>
    /// <returns>To be disposed before the machine.</returns>
    /// <exception cref="StrataException">The address is not to be had, or strangers would be let in.</exception>
    public VncDisplay ServeVnc(VncSpec spec, string name = "Strata")
    {
        ArgumentNullException.ThrowIfNull(spec);
        return VncDisplay.Start(spec, name, _screen, Keyboard, Pointer, Tablet, _logger);
    }

    /// <summary>Shows the screen's text modes in a terminal.</summary>
    /// <param name="write">Receives what the terminal is to show, on any thread, one call at a time.</param>
    /// <returns>To be disposed before the machine.</returns>
    public TerminalDisplay OpenTerminal(Action<ReadOnlyMemory<byte>> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        return new TerminalDisplay(_screen, Keyboard, write);
    }

    private static IReadOnlyList<KeyCode> KeysOf(char character)
    {
        (KeyCode key, bool isShifted) = KeyNames.OfCharacter(character);
        return isShifted ? [KeyCode.ShiftLeft, key] : [key];
    }

    private async Task SendAsync(IReadOnlyList<IReadOnlyList<KeyCode>> chords, CancellationToken cancellationToken)
    {
        await _typing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (IReadOnlyList<KeyCode> chord in chords)
            {
                foreach (KeyCode key in chord)
                {
                    await SendAsync(key, pressed: true, cancellationToken).ConfigureAwait(false);
                }

                foreach (KeyCode key in chord.Reverse())
                {
                    await SendAsync(key, pressed: false, cancellationToken).ConfigureAwait(false);
                }

                // Firmware keeps no more than sixteen keys, and boot loaders look now and then.
                await Task.Delay(KeyTime, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _typing.Release();
        }
    }

    private async Task SendAsync(KeyCode key, bool pressed, CancellationToken cancellationToken)
    {
        while (!Keyboard.IsIdle)
        {
            if (_board.Exit.IsCompleted)
            {
                if (!pressed)
                {
                    return; // the last key ended it
                }

                throw new StrataException(StrataError.Guest, "The machine ended before everything was typed.");
            }

            await Task.Delay(KeyInterval, cancellationToken).ConfigureAwait(false);
        }

        Keyboard.Send(key, pressed);
    }
}
