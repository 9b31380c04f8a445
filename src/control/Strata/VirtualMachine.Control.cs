using System.Diagnostics;
using Strata.Control;
using Strata.Images;
using Strata.Machines.Boards;

namespace Strata;

/// <content>What others ask a running machine.</content>
public sealed partial class VirtualMachine
{
    private static readonly TimeSpan ListenInterval = TimeSpan.FromMilliseconds(20);

    private readonly long _startTicks = Stopwatch.GetTimestamp();

    /// <summary>Processors, interrupts and devices in detail; approximate, as the machine goes on meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed.</exception>
    public BoardInspection Inspect() => _board.Inspect();

    /// <summary>
    /// Asks the guest to shut down: by the power button, as soon as the guest listens to it, or through the agent where its image does not.
    /// Returns when it has been asked; <see cref="WaitForExitAsync"/> waits for the end.
    /// </summary>
    /// <param name="image">What the machine runs; null for a system of its own.</param>
    /// <exception cref="StrataException">The image's agent cannot be asked.</exception>
    public async Task RequestShutDownAsync(GuestImage? image = null, CancellationToken cancellationToken = default)
    {
        if (image?.PowerOffCommand is { } command)
        {
            await Agent.RequestShutDownAsync(command, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        while (!_board.IsPowerButtonEnabled && !HasEnded)
        {
            await Task.Delay(ListenInterval, cancellationToken).ConfigureAwait(false); // it boots, or never will
        }

        PressPowerButton();
    }

    internal MachineDescription Describe(MachineReservation reservation) => new()
    {
        Name = reservation.Name,
        Image = reservation.Image,
        Engine = Engine,
        Processors = Spec.Processors,
        Memory = Spec.Memory,
        Started = Started,
        UptimeSeconds = Math.Round(Stopwatch.GetElapsedTime(_startTicks).TotalSeconds, 3),
        ProcessId = Environment.ProcessId,
        Forwards = [.. ForwardedPorts.Select(MachineForward.Of)],
    };
}
