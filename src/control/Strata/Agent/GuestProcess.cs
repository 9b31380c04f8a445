using Microsoft.Extensions.Logging;

namespace Strata;

/// <summary>
/// A program that runs in the guest. Members are safe on any thread, except that input is written by one at a time. Disposing ends
/// the program if it still runs.
/// </summary>
public sealed partial class GuestProcess : IAsyncDisposable
{
    /// <summary>Bytes of input that the program has not taken yet.</summary>
    private const int InputWindow = 64 << 10;

    private const int SignalBase = 128;
    private const uint PipeSignal = 13;
    private const uint OutputStream = 1;
    private const uint ErrorStream = 2;

    private readonly Stream _connection;
    private readonly Action<ReadOnlyMemory<byte>> _output;
    private readonly Action<ReadOnlyMemory<byte>> _errors;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly SemaphoreSlim _inputTaken = new(0);
    private readonly Task<int> _exit;
    private int _inputInFlight;
    private readonly ILogger _log;
    private volatile bool _ended;
    private volatile bool _left;

    internal GuestProcess(Stream connection, int id, Action<ReadOnlyMemory<byte>> output, Action<ReadOnlyMemory<byte>> errors, ILogger log)
    {
        _connection = connection;
        Id = id;
        _output = output;
        _errors = errors;
        _log = log;
        _exit = PumpAsync();
    }

    /// <summary>Its process ID in the guest.</summary>
    public int Id { get; }

    /// <summary>Waits for the program's end and for all of its output.</summary>
    /// <returns>Its exit code; 128 and the signal's number if a signal ended it.</returns>
    /// <exception cref="StrataException">The guest or its agent went away.</exception>
    public Task<int> WaitForExitAsync(CancellationToken cancellationToken = default) => _exit.WaitAsync(cancellationToken);

    /// <summary>Writes to the program's standard input; waits while the program does not read.</summary>
    public async Task WriteInputAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        while (!bytes.IsEmpty)
        {
            int room = InputWindow - Volatile.Read(ref _inputInFlight);
            if (room <= 0)
            {
                await _inputTaken.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            ReadOnlyMemory<byte> piece = bytes[..Math.Min(room, bytes.Length)];
            bytes = bytes[piece.Length..];
            Interlocked.Add(ref _inputInFlight, piece.Length);
            await SendAsync('I', piece, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the program's standard input.</summary>
    public Task CompleteInputAsync(CancellationToken cancellationToken = default) =>
        SendAsync('I', ReadOnlyMemory<byte>.Empty, cancellationToken);

    /// <summary>Sends a signal, by Linux's number, to the program and what it started.</summary>
    public Task SignalAsync(int signal, CancellationToken cancellationToken = default) =>
        SendAsync('K', AgentFrame.Numbers((uint)signal), cancellationToken);

    /// <summary>
    /// Closes the reading end of the program's standard output, as the reader of a pipe does that ends: the program's next write ends it by
    /// SIGPIPE, or fails if it ignores that. One with a terminal is hung up on.
    /// </summary>
    public Task CloseOutputAsync(CancellationToken cancellationToken = default) =>
        SendAsync('K', AgentFrame.Numbers(PipeSignal, OutputStream), cancellationToken);

    /// <summary>The same for its standard error output.</summary>
    public Task CloseErrorOutputAsync(CancellationToken cancellationToken = default) =>
        SendAsync('K', AgentFrame.Numbers(PipeSignal, ErrorStream), cancellationToken);

    /// <summary>Tells the program that its terminal has another size.</summary>
    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(size);
        return SendAsync('W', AgentFrame.Numbers(size.Rows | ((uint)size.Columns << 16)), cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _left = true;
        await _connection.DisposeAsync().ConfigureAwait(false);
        await ((Task)_exit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _inputTaken.Release();
    }

    private async Task SendAsync(char type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_ended)
            {
                await AgentFrame.WriteAsync(_connection, type, payload, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (IOException) when (_ended)
        {
            // The program ended meanwhile: nobody reads it.
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<int> PumpAsync()
    {
        try
        {
            while (await AgentFrame.ReadAsync(_connection, CancellationToken.None).ConfigureAwait(false) is { } frame)
            {
                switch (frame.Type)
                {
                    case 'O':
                        _output(frame.Payload);
                        break;
                    case 'R':
                        _errors(frame.Payload);
                        break;
                    case 'C':
                        Interlocked.Add(ref _inputInFlight, -(int)Math.Min(frame.Number(), InputWindow));
                        _inputTaken.Release();
                        break;
                    case 'X':
                        return frame.Number(1) is var signal and > 0 ? SignalBase + (int)signal : (int)(frame.Number() & 0xFF);
                    default:
                        throw GuestAgent.Failure(frame);
                }
            }
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            if (!_left)
            {
                LogLost(_log, error.Message);
            }

            throw new StrataException(StrataError.Guest, $"The program in the guest was lost: {error.Message}", error);
        }
        finally
        {
            _ended = true;
            Interlocked.Exchange(ref _inputInFlight, int.MinValue / 2); // a writer that waits goes on, and sends nothing
            _inputTaken.Release();
        }

        if (!_left)
        {
            LogLost(_log, "Its connection ended.");
        }

        throw new StrataException(StrataError.Guest, "The guest's agent ended before the program did.");
    }
}
