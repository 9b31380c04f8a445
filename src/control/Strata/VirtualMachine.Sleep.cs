namespace Strata;

/// <content>Guests that sleep.</content>
public sealed partial class VirtualMachine
{
    private static readonly TimeSpan SleepInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan WakePatience = TimeSpan.FromSeconds(30); // firmware runs first, on hosts that are busy

    /// <summary>Looks at which a guest has to be asleep, for what is refused then: one look may fall into a driver's own reset.</summary>
    private const int LooksToBeSure = 4;

    /// <summary>
    /// Whether the guest sleeps: suspended to memory (ACPI S3, on machines that firmware starts), or to idle, where its drivers have let
    /// go of all virtio devices, and its processors are halted. Its alarm or its power button wake it, and so does <see cref="WakeAsync"/>.
    /// Approximate.
    /// </summary>
    public bool IsAsleep => _board.IsAsleep;

    /// <inheritdoc/>
    public async Task WakeAsync(CancellationToken cancellationToken = default)
    {
        if (!IsAsleep)
        {
            return;
        }

        if (!_board.IsPowerButtonEnabled && !_board.IsSuspendedToMemory)
        {
            throw new StrataException(
                StrataError.Guest,
                $"{Called} is asleep, and its system does not listen to the power button: its own alarm may wake it; `strata stop " +
                $"--force` ends the machine.");
        }

        bool listens = _board.IsPowerButtonEnabled;
        PressPowerButton(); // to a system that sleeps it only says that it is to wake
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(WakePatience);
        try
        {
            // Behind S3 a guest drops presses until it listens again.
            while ((_board.IsSuspendedToMemory || _board.HasSuspendedDevices || (listens && !_board.IsPowerButtonEnabled)) && !HasEnded)
            {
                await Task.Delay(ListenInterval, patience.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StrataException(
                StrataError.Guest,
                $"{Called} has not woken within {WakePatience.TotalSeconds:F0} s; `strata stop --force` ends the machine.");
        }
    }

    private string Called => Name.Length == 0 ? "The machine" : Name;

    /// <returns>False if the guest sleeps before the task has ended.</returns>
    private async Task<bool> WakesUntilAsync(Task task, CancellationToken cancellationToken)
    {
        for (int asleep = 0; asleep < LooksToBeSure;)
        {
            using CancellationTokenSource look = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            bool hasEnded = await Task.WhenAny(task, Task.Delay(SleepInterval, look.Token)).ConfigureAwait(false) == task;
            await look.CancelAsync().ConfigureAwait(false);
            if (hasEnded || cancellationToken.IsCancellationRequested)
            {
                return true;
            }

            asleep = IsAsleep ? asleep + 1 : 0;
        }

        return false;
    }

    private StrataException Asleep(Exception cause) =>
        new(
            StrataError.Guest,
            $"{Called} is asleep and serves nobody: wake it with `strata " +
            $"wake{(Name.Length == 0 ? string.Empty : " " + Name)}`.",
            cause);
}
