using Strata.Images;

namespace Strata.Control;

/// <summary>Asks a guest to shut down in the way that its system listens to.</summary>
internal static class ShutDownRequest
{
    public static async Task SendAsync(IMachine machine, CancellationToken cancellationToken)
    {
        MachineDescription description = await machine.DescribeAsync(cancellationToken).ConfigureAwait(false);
        if (GuestImages.All().FirstOrDefault(image => image.ImageName == description.Image)?.PowerOffCommand is not { } command)
        {
            await machine.PressPowerButtonAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        GuestProcess process = await machine.Agent.StartAsync(command, _ => { }, _ => { }, cancellationToken).ConfigureAwait(false);
        await using (process.ConfigureAwait(false))
        {
            Task<int> end = process.WaitForExitAsync(cancellationToken);
            await ((Task)end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the machine takes the command with it
        }
    }
}
