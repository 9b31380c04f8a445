using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata stop`: ends a running machine.</summary>
internal static class StopCommand
{
    private const int DefaultPatience = 60;

    /// <summary>A guest that powers off takes the agent's answer with it: the machine's end says more.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(5);

    /// <summary>A guest that boots has the driver of its power button before the program that acts on it.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Option<bool> force = new("--force", "-f")
        {
            Description = "Pull the plug: at once, and what the guest has not written to its disks is lost.",
        };
        Option<int> timeout = NumberOption.Create(
            "--timeout", "Seconds to wait for the guest to shut down, and as many for its process to end it.", example: 120,
            defaultValue: DefaultPatience);
        DocumentedCommand command = new("stop", "Shut a machine down and wait for its end.", """
            It is asked by the power button, or debian-tiny, which does not listen to it, by a command. Any other system that does not
            listen to the button needs --force.

            When it has ended, its disks are closed and its name is free.

            Example: strata stop debian-tiny

            Exit code 0: the machine has ended; 1: it has not within --timeout; 2: no such machine runs.
            """)
        {
            machine, force, timeout,
        };
        command.SetAction(async (result, token) =>
        {
            int seconds = result.GetValue(timeout);
            if (seconds is < 1 or > 86_400)
            {
                throw new StrataException(StrataError.BadInput, $"Nobody waits for {seconds} seconds; give --timeout 1 to 86400.");
            }

            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            TimeSpan patience = TimeSpan.FromSeconds(seconds);
            return await MachineRelease.AwaitAsync(
                running, () => result.GetValue(force) ? PullThePlugAsync(running, token) : ShutDownAsync(running, patience, token),
                patience, token);
        });
        return command;
    }

    private static async Task<int> PullThePlugAsync(IMachine running, CancellationToken token)
    {
        await running.StopAsync(token);
        return ExitCodes.Success;
    }

    private static async Task AskAsync(IMachine running, Task end, CancellationToken token)
    {
        do
        {
            token.ThrowIfCancellationRequested();
            await running.RequestShutDownAsync(token);
        }
        while (await Task.WhenAny(end, Task.Delay(AskAgain, token)) != end);
    }

    private static async Task<int> ShutDownAsync(IMachine running, TimeSpan patience, CancellationToken token)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(token);
        limit.CancelAfter(patience);
        Task<MachineExit?> end = running.WaitForExitAsync(limit.Token);
        Task request = AskAsync(running, end, limit.Token);
        try
        {
            if (await Task.WhenAny(end, request) == request
                && request.IsFaulted
                && await Task.WhenAny(end, Task.Delay(EndPatience, token)) != end)
            {
                await request; // the machine could not be asked, and does not end: no use in waiting
            }

            if (await end is { Reason: not MachineExitReason.PowerOff } exit)
            {
                Console.Error.WriteLine($"strata: {Printable.Text(exit.Details)}");
            }

            return ExitCodes.Success;
        }
        catch (OperationCanceledException) when (!token.IsCancellationRequested)
        {
            throw new StrataException(
                StrataError.Guest,
                $"{running.Name} has not shut down within {patience.TotalSeconds:F0} s: its system may not listen to the power button, " +
                $"or be busy; `strata stop --force {running.Name}` pulls the plug.");
        }
    }
}
