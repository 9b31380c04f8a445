using System.Runtime.InteropServices;

namespace Strata.Cli;

/// <summary>
/// What signals do to the machine of `strata run`: SIGTERM and SIGHUP ask its guest to shut down, and it has some time for that; a second
/// one, and SIGINT and SIGQUIT, stop it at once.
/// </summary>
internal sealed class MachineShutdown : IDisposable
{
    private static readonly int[] Polite =
        [TerminationSignals.NumberOf(PosixSignal.SIGTERM), TerminationSignals.NumberOf(PosixSignal.SIGHUP)];

    /// <summary>A guest that boots has the driver of its power button before the program that acts on it.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    private readonly TimeSpan _patience;
    private readonly IDisposable _taken;
    private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _pulled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _signal;
    private int _stoppedBy;

    public MachineShutdown(TimeSpan patience, TerminationSignals signals)
    {
        _patience = patience;
        _taken = signals.Take(OnSignal, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT);
    }

    /// <summary>The signal that stopped the machine without its guest's doing, if one did.</summary>
    public int? StoppedBy => Volatile.Read(ref _stoppedBy) is var signal and > 0 ? signal : null;

    /// <summary>From now on there is a machine: what was asked for before is done, too.</summary>
    public void Start(VirtualMachine machine)
    {
        _ = AskAsync(machine);
        _ = PullAsync(machine);
    }

    public void Dispose() => _taken.Dispose();

    private void OnSignal(int number)
    {
        bool isFirst = Interlocked.Exchange(ref _signal, number) == 0;
        _ = isFirst && Polite.Contains(number) ? _asked.TrySetResult() : _pulled.TrySetResult();
    }

    private async Task AskAsync(VirtualMachine machine)
    {
        await _asked.Task.ConfigureAwait(false);
        using CancellationTokenSource limit = new(_patience);
        Task end = machine.WaitForExitAsync(CancellationToken.None);
        try
        {
            do
            {
                limit.Token.ThrowIfCancellationRequested();
                await machine.RequestShutDownAsync(limit.Token).ConfigureAwait(false);
            }
            while (await Task.WhenAny(end, Task.Delay(AskAgain, limit.Token)).ConfigureAwait(false) != end);
        }
        catch (OperationCanceledException)
        {
            PullFor($"the guest did not shut down within {_patience.TotalSeconds:F0} s and is stopped; --stop-timeout gives it more time.");
        }
        catch (StrataException error)
        {
            if (await Task.WhenAny(end, Task.Delay(EndPatience)).ConfigureAwait(false) == end)
            {
                return; // it took the agent's answer with it
            }

            PullFor($"the guest cannot be asked to shut down and is stopped: {error.Message}");
        }
    }

    private void PullFor(string reason)
    {
        Console.Error.WriteLine($"strata: {reason}");
        _pulled.TrySetResult();
    }

    private async Task PullAsync(VirtualMachine machine)
    {
        await _pulled.Task.ConfigureAwait(false);
        Volatile.Write(ref _stoppedBy, Volatile.Read(ref _signal));
        await machine.StopAsync().ConfigureAwait(false);
    }
}
