using Strata.Screens;

namespace Strata.Cli;

/// <summary>The display of `strata run`: what of the machine's screen shows where, while it runs.</summary>
internal sealed class RunDisplay : IAsyncDisposable
{
    private readonly VncDisplay? _vnc;
    private readonly TerminalDisplay? _terminal;

    private RunDisplay(VncDisplay? vnc, TerminalDisplay? terminal) => (_vnc, _terminal) = (vnc, terminal);

    /// <summary>Takes what is typed in place of the machine's console; null where it goes there.</summary>
    public Func<ReadOnlyMemory<byte>, Task>? Input => _terminal is { } terminal ? bytes => terminal.TypeAsync(bytes) : null;

    /// <exception cref="StrataException">The machine has no screen, or the address is not to be had.</exception>
    public static async Task<RunDisplay> OpenAsync(DisplaySpec spec, VirtualMachine machine, string? name, GuestOutput output)
    {
        if (spec.IsText)
        {
            return new RunDisplay(vnc: null, machine.Screen.OpenTerminal(bytes => output.Write(bytes.Span)));
        }

        if (spec.Vnc is not { } vnc)
        {
            return new RunDisplay(vnc: null, terminal: null);
        }

        VncDisplay display = machine.Screen.ServeVnc(vnc, name ?? "Strata");
        string line = $"strata: VNC viewers find the screen at {display.Address}.";
        await Console.Error.WriteAsync(Console.IsErrorRedirected ? $"{line}\n" : $"{line}\r\n").ConfigureAwait(false);
        return new RunDisplay(display, terminal: null);
    }

    public async ValueTask DisposeAsync()
    {
        if (_terminal is not null)
        {
            await _terminal.DisposeAsync().ConfigureAwait(false);
        }

        if (_vnc is not null)
        {
            await _vnc.DisposeAsync().ConfigureAwait(false);
        }
    }
}
