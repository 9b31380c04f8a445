using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>Whether a command of the guest gets a terminal.</summary>
internal enum GuestTerminal
{
    None,

    /// <summary>One of the size of this process's, which becomes raw meanwhile.</summary>
    OfThisProcess,
}

/// <summary>
/// One command in a guest with this process's streams and signals. The first SIGINT, SIGTERM or SIGHUP goes to the command, if there is one
/// already; the same again ends the run.
/// </summary>
internal sealed class GuestCommandRun : IDisposable
{
    private const string OutputName = "The command's output";
    private const string TerminalVariable = "TERM";

    /// <summary>For a command whose output nobody reads to end by itself.</summary>
    private static readonly TimeSpan UnreadPatience = TimeSpan.FromSeconds(5);

    private readonly GuestAgent _agent;
    private readonly CancellationTokenSource _interrupted = new();
    private readonly IDisposable _taken;
    private readonly HashSet<int> _sent = []; // by one signal at a time
    private GuestProcess? _process;
    private volatile int _lastSignal;

    public GuestCommandRun(GuestAgent agent, TerminationSignals signals)
    {
        _agent = agent;
        _taken = signals.Take(OnSignal, PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP);
    }

    /// <summary>A second signal, or one before the command ran, ended the run.</summary>
    public bool WasInterrupted => _interrupted.IsCancellationRequested;

    /// <param name="passTerminalInput">What is typed goes to the command even if it has no terminal; otherwise it reads the end at
    /// once.</param>
    /// <returns>The command's exit code, the code of the signal that ended the run, or a failure where output could not be
    /// written.</returns>
    /// <exception cref="StrataException">The command could not be started, or was lost.</exception>
    public async Task<int> ExecuteAsync(GuestCommand command, GuestTerminal terminal, bool passTerminalInput)
    {
        using Terminal? raw = terminal == GuestTerminal.OfThisProcess ? new Terminal() : null;
        using GuestOutput output = new(new StandardStream(StandardStream.Output), OutputName);
        using GuestOutput errors = new(new StandardStream(StandardStream.Errors), OutputName);
        try
        {
            GuestProcess process = await _agent.StartAsync(
                raw is null ? command : WithTerminal(command),
                bytes => output.Write(bytes.Span),
                bytes => errors.Write(bytes.Span),
                _interrupted.Token).ConfigureAwait(false);
            await using (process.ConfigureAwait(false))
            {
                Interlocked.Exchange(ref _process, process);
                using PosixSignalRegistration? resize = raw is null || OperatingSystem.IsWindows()
                    ? null
                    : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Resize(process));
                _ = PumpInputAsync(process, passTerminalInput || raw is not null);
                int code = await WaitForEndAsync(process, output, errors).ConfigureAwait(false);
                if ((output.Failure ?? errors.Failure) is not { } failure)
                {
                    return code;
                }

                await Console.Error.WriteLineAsync($"strata: {failure}").ConfigureAwait(false);
                return ExitCodes.Failure;
            }
        }
        catch (OperationCanceledException) when (_interrupted.IsCancellationRequested)
        {
            return TerminationSignals.ExitCode(_lastSignal);
        }
    }

    public void Dispose()
    {
        _taken.Dispose();
        _interrupted.Dispose();
    }

    /// <summary>The terminal's kind is the caller's, as its size is; the guest knows what it can do.</summary>
    private static GuestCommand WithTerminal(GuestCommand command)
    {
        Dictionary<string, string> variables = new(command.Environment);
        if (Environment.GetEnvironmentVariable(TerminalVariable) is { Length: > 0 } kind)
        {
            variables.TryAdd(TerminalVariable, kind);
        }

        return command with { Terminal = Terminal.Size ?? new TerminalSize(24, 80), Environment = variables };
    }

    private static void Resize(GuestProcess process)
    {
        if (Terminal.Size is { } size)
        {
            _ = process.ResizeAsync(size);
        }
    }

    private static async Task PumpInputAsync(GuestProcess process, bool passTerminalInput)
    {
        try
        {
            using StandardStream input = new(StandardStream.Input);
            byte[] buffer = new byte[32 << 10];
            int count;
            while ((passTerminalInput || Console.IsInputRedirected) && (count = await ReadAsync(input, buffer).ConfigureAwait(false)) > 0)
            {
                await process.WriteInputAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            }

            await process.CompleteInputAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The guest has gone, or the command has ended; whoever waits for it says so.
        }
    }

    /// <summary>
    /// What cannot be read, such as a folder or a terminal that was closed, ends the command's input: it must not wait for more.
    /// </summary>
    private static async Task<int> ReadAsync(StandardStream input, byte[] buffer)
    {
        try
        {
            return await input.ReadAsync(buffer).ConfigureAwait(false);
        }
        catch (IOException error)
        {
            await Console.Error.WriteLineAsync($"strata: {error.Message} The command finds its end.").ConfigureAwait(false);
            return 0;
        }
    }

    /// <summary>
    /// Waits for the command's end. Who reads its output may go away, as `head` does: then the command finds its pipe closed, and if it
    /// goes on all the same, it is left, which ends it.
    /// </summary>
    private async Task<int> WaitForEndAsync(GuestProcess process, GuestOutput output, GuestOutput errors)
    {
        Task<int> end = process.WaitForExitAsync(_interrupted.Token);
        Task unread = Task.WhenAny(
            CloseLostAsync(output, process.CloseOutputAsync), CloseLostAsync(errors, process.CloseErrorOutputAsync));
        if (await Task.WhenAny(end, unread).ConfigureAwait(false) != end
            && await Task.WhenAny(end, Task.Delay(UnreadPatience)).ConfigureAwait(false) != end)
        {
            await Console.Error.WriteLineAsync(
                $"strata: Nobody takes the command's output any more, and it did not end within {UnreadPatience.TotalSeconds:F0} s; it " +
                $"was ended.").ConfigureAwait(false);
            return ExitCodes.Unread;
        }

        return await end.ConfigureAwait(false);
    }

    private async Task CloseLostAsync(GuestOutput output, Func<CancellationToken, Task> close)
    {
        await output.Lost.ConfigureAwait(false);
        await close(_interrupted.Token).ConfigureAwait(false);
    }

    private void OnSignal(int number)
    {
        _lastSignal = number;
        if (_process is not { } process || !_sent.Add(number))
        {
            _ = _interrupted.CancelAsync();
        }
        else
        {
            _ = process.SignalAsync(number, _interrupted.Token);
        }
    }
}
