using System.Text;
using Strata.Devices.Serial;
using Strata.Machines.Boards;

namespace Strata;

/// <summary>
/// The guest's console device: everything it printed, waits for text, and input. Members are safe on any thread.
/// </summary>
public sealed class GuestConsole : ISerialBackend
{
    /// <summary>How much output is kept for <see cref="Output"/> and waits, in characters.</summary>
    public const int Capacity = 1 << 20;

    private const string PanicMark = "Kernel panic - not syncing: ";

    private readonly Action<ReadOnlyMemory<byte>>? _tee;
    private readonly ConsoleDevice _device;
    private readonly Lock _gate = new();
    private readonly ConsoleText _text = new(Capacity);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<ConsoleObserver> _observers = []; // under _gate
    private PcBoard? _board;
    private long _consumed; // position behind the last match

    internal GuestConsole(Action<ReadOnlyMemory<byte>>? tee, ConsoleDevice device)
    {
        _tee = tee;
        _device = device;
    }

    /// <summary>What the guest has printed; the oldest part is dropped beyond <see cref="Capacity"/>.</summary>
    public string Output
    {
        get
        {
            lock (_gate)
            {
                return _text.ToString();
            }
        }
    }

    /// <summary>The message of the last Linux kernel panic on the console, or null.</summary>
    internal string? FindPanic()
    {
        string text = Output;
        int at = text.LastIndexOf(PanicMark, StringComparison.Ordinal);
        return at < 0 ? null : text[(at + PanicMark.Length)..].Split('\r', '\n')[0];
    }

    internal void Attach(PcBoard board) => _board = board;

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            _text.Append(bytes);
            foreach (ConsoleObserver observer in _observers)
            {
                observer.Append(bytes);
            }

            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        _tee?.Invoke(bytes.ToArray());
        changed.TrySetResult();
    }

    /// <summary>Looks on, beside everybody else.</summary>
    /// <param name="history">Bytes of what was printed before that the observer gets at first, if they are still there.</param>
    public ConsoleObserver Observe(int history = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(history);
        ConsoleObserver observer = new(this);
        lock (_gate)
        {
            observer.Append(_text.Tail(history));
            _observers.Add(observer);
        }

        return observer;
    }

    internal void Forget(ConsoleObserver observer)
    {
        lock (_gate)
        {
            _observers.Remove(observer);
        }
    }

    /// <summary>Waits until the guest prints <paramref name="text"/>, looking only at output after the last match.</summary>
    /// <param name="text">As Latin-1: each byte that the guest prints is a character.</param>
    /// <exception cref="StrataException">The machine stopped first.</exception>
    public async Task WaitForAsync(string text, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        PcBoard board = _board ?? throw new InvalidOperationException("The console is not connected.");
        long searched = 0;
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                long end = _text.Find(text, Math.Max(searched, _consumed));
                if (end >= 0)
                {
                    _consumed = end;
                    return;
                }

                searched = _text.End - (text.Length - 1); // what a match could begin with has been printed, perhaps
                changed = _changed.Task;
            }

            Task first = await Task.WhenAny(changed, board.Exit).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (first == board.Exit && !changed.IsCompleted)
            {
                Machines.Boards.MachineExit exit = await board.Exit.ConfigureAwait(false);
                throw new StrataException(
                    StrataError.Guest,
                    $"The machine stopped before it printed \"{text}\": {exit.Details} {nameof(Output)} has what it did print.");
            }
        }
    }

    /// <summary>Types text into the guest.</summary>
    public Task WriteAsync(string text, CancellationToken cancellationToken = default) =>
        WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);

    /// <summary>Types a line into the guest.</summary>
    public Task WriteLineAsync(string line, CancellationToken cancellationToken = default) => WriteAsync(line + "\n", cancellationToken);

    /// <summary>Sends bytes to the guest, waiting while its input is full. What a machine that has ended did not take is dropped.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        PcBoard board = _board ?? throw new InvalidOperationException("The console is not connected.");
        while (!bytes.IsEmpty && !board.Exit.IsCompleted)
        {
            int taken = _device == ConsoleDevice.Serial ? board.WriteSerial(bytes.Span) : board.WriteConsole(bytes.Span);
            bytes = bytes[taken..];
            if (!bytes.IsEmpty)
            {
                await Task.Delay(5, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
