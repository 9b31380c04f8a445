using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>
/// SIGINT, SIGTERM and their kin. A command that knows better takes them over; otherwise the first one cancels it, and two seconds
/// later the process ends without it. `timeout`, and a shell that ends a job, send one signal to the process and another to its group:
/// the same signal twice within a tenth of a second counts once.
/// </summary>
internal sealed class TerminationSignals : IDisposable
{
    private static readonly TimeSpan SameRequest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _cancelled = new(); // never disposed: a signal that comes late still looks at it
    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly Dictionary<PosixSignal, PosixSignalRegistration> _registrations = []; // under _gate
    private readonly Func<long> _clock;
    private Action<int>? _handler; // under _gate
    private PosixSignal? _last; // under _gate
    private long _lastAt; // under _gate; of _clock

    /// <param name="clock">Milliseconds that only grow; null for the host's.</param>
    public TerminationSignals(Func<long>? clock = null) => _clock = clock ?? (() => Stopwatch.GetTimestamp() * 1000 / Stopwatch.Frequency);

    /// <summary>Cancelled by the first signal that no command has taken over.</summary>
    public CancellationToken Token => _cancelled.Token;

    /// <summary>What a process ends with that a signal ends: 128 and its number.</summary>
    public static int ExitCode(int signal) => 128 + signal;

    /// <summary>Linux's number.</summary>
    internal static int NumberOf(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => 3,
        _ => 15,
    };

    /// <summary>Waits for a command, but not for ever once a signal has cancelled it.</summary>
    /// <returns>The command's exit code, or the signal's.</returns>
    public async Task<int> RunAsync(Func<CancellationToken, Task<int>> command)
    {
        Listen(PosixSignal.SIGINT, PosixSignal.SIGTERM);
        Task<int> running = Task.Run(() => command(Token));
        try
        {
            Task first = await Task.WhenAny(running, _abandoned.Task).ConfigureAwait(false);
            return first == running ? await running.ConfigureAwait(false) : CancelledCode();
        }
        catch (OperationCanceledException) when (Token.IsCancellationRequested)
        {
            return CancelledCode();
        }
    }

    /// <summary>Takes signals over until the result is disposed.</summary>
    /// <param name="handler">Gets each one's number. It runs while this object is locked: no longer than a moment.</param>
    public IDisposable Take(Action<int> handler, params PosixSignal[] signals)
    {
        lock (_gate)
        {
            _handler = handler;
        }

        Listen(signals);
        return new Release(this);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (PosixSignalRegistration registration in _registrations.Values)
            {
                registration.Dispose();
            }

            _registrations.Clear();
        }
    }

    /// <summary>A signal has come.</summary>
    internal void Raise(PosixSignal signal)
    {
        lock (_gate)
        {
            long now = _clock();
            if (_last == signal && now - _lastAt < SameRequest.TotalMilliseconds)
            {
                return;
            }

            _last = signal;
            _lastAt = now;
            if (_handler is { } handler)
            {
                handler(NumberOf(signal));
                return;
            }
        }

        _ = AbandonAsync();
    }

    private int CancelledCode()
    {
        lock (_gate)
        {
            return ExitCode(NumberOf(_last ?? PosixSignal.SIGTERM));
        }
    }

    private async Task AbandonAsync()
    {
        await _cancelled.CancelAsync().ConfigureAwait(false);
        await Task.Delay(Patience).ConfigureAwait(false);
        _abandoned.TrySetResult();
    }

    private void Listen(params ReadOnlySpan<PosixSignal> signals)
    {
        lock (_gate)
        {
            foreach (PosixSignal signal in signals)
            {
                if (!_registrations.ContainsKey(signal))
                {
                    _registrations[signal] = PosixSignalRegistration.Create(signal, context =>
                    {
                        context.Cancel = true;
                        Raise(signal);
                    });
                }
            }
        }
    }

    private sealed class Release(TerminationSignals signals) : IDisposable
    {
        public void Dispose()
        {
            lock (signals._gate)
            {
                signals._handler = null;
            }
        }
    }
}
