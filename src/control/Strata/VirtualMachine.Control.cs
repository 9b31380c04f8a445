using System.Diagnostics;
using Strata.Control;
using Strata.Images;

namespace Strata;

/// <content>What others ask a running machine.</content>
public sealed partial class VirtualMachine
{
    private static readonly TimeSpan ListenInterval = TimeSpan.FromMilliseconds(20);

    private readonly long _startTicks = Stopwatch.GetTimestamp();

    /// <summary>Processors, interrupts and devices in detail; approximate, as the machine goes on meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The machine has been disposed.</exception>
    public BoardInspection Inspect() => InspectionMapping.Of(_board.Inspect());

    /// <summary>Ports whose number the host chose, as `strata run --forward` takes them.</summary>
    public IReadOnlyList<MachineForward> ChosenForwards =>
        [.. ForwardedPorts.Where(port => port.Forward.HostPort == 0).Select(MachineForward.Of)];

    /// <summary>
    /// Asks the guest to shut down: by the power button, as soon as the guest listens to it, or through the agent where its image does not.
    /// Returns when it has been asked; <see cref="WaitForExitAsync"/> waits for the end.
    /// </summary>
    /// <exception cref="StrataException">The image's agent cannot be asked.</exception>
    public async Task RequestShutDownAsync(CancellationToken cancellationToken = default)
    {
        await WakeAsync(cancellationToken).ConfigureAwait(false);
        if (Image?.PowerOffCommand is { } command)
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

    /// <summary>
    /// Whether what starts at the guest's console throws away what was typed before: <see cref="GuestAgent.WaitForConsoleReaderAsync"/>
    /// says when to type.
    /// </summary>
    public bool DropsTypedAhead => Image is { DropsTypedAhead: true };

    private GuestImage? Image => GuestImages.All().FirstOrDefault(image => image.ImageName == Spec.Image);

    private MachineDescription Describe() => new()
    {
        Name = Name,
        Image = Spec.Origin,
        Engine = Engine,
        Processors = Spec.Processors,
        Memory = Spec.Memory,
        Started = Started,
        UptimeSeconds = Math.Round(Stopwatch.GetElapsedTime(_startTicks).TotalSeconds, 3),
        ProcessId = Environment.ProcessId,
        IsAsleep = IsAsleep,
        Forwards = [.. ForwardedPorts.Select(MachineForward.Of)],
    };
}
