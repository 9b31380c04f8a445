using Strata.Control;

namespace Strata.Cli;

/// <summary>
/// `strata run --exec`: boots a machine, runs one command in it with this process's streams, and ends with the command's exit code.
/// </summary>
internal static class ExecRun
{
    private const int ConsoleLines = 15;
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SyncPatience = TimeSpan.FromSeconds(10);

    public static async Task<int> ExecuteAsync(
        MachineSpec spec,
        MachineAttachments attachments,
        MachineReservation? reservation,
        string line,
        bool statistics,
        TerminationSignals signals)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec, attachments).ConfigureAwait(false);
        if (reservation is not null)
        {
            ControlServer.Start(machine, reservation); // ends with the machine
        }

        ForwardedPortText.ReportChosen(machine);
        Task<MachineExit> end = machine.WaitForExitAsync(CancellationToken.None);
        try
        {
            using GuestCommandRun run = new(machine.Agent, signals);
            int code = await run.ExecuteAsync(GuestCommand.Shell(line), GuestTerminal.None, passTerminalInput: false).ConfigureAwait(false);
            if (!run.WasInterrupted)
            {
                await SyncAsync(machine, spec).ConfigureAwait(false);
            }

            return code;
        }
        catch (StrataException)
        {
            if (await Task.WhenAny(end, Task.Delay(EndPatience)).ConfigureAwait(false) == end)
            {
                return ReportEnd(await end.ConfigureAwait(false));
            }

            PrintConsole(machine);
            throw;
        }
        finally
        {
            if (statistics)
            {
                await Console.Error.WriteLineAsync(machine.DescribeCounters()).ConfigureAwait(false);
            }
        }
    }

    private static int ReportEnd(MachineExit exit)
    {
        if (exit.Reason == MachineExitReason.PowerOff)
        {
            Console.Error.WriteLine("strata: The guest powered off before the command ended.");
            return ExitCodes.Failure;
        }

        return RunCommand.Report(exit, signal: null);
    }

    /// <summary>What the guest wrote to its disks gets there before the plug is pulled.</summary>
    private static async Task SyncAsync(VirtualMachine machine, MachineSpec spec)
    {
        if (spec.Disks.Count > 0)
        {
            using CancellationTokenSource patience = new(SyncPatience);
            await machine.Agent.RunAsync(GuestCommand.Shell("sync"), default, patience.Token).ConfigureAwait(false);
        }
    }

    private static void PrintConsole(VirtualMachine machine)
    {
        string[] lines = machine.Console.Output.Split('\n');
        foreach (string line in lines.TakeLast(ConsoleLines))
        {
            Console.Error.WriteLine($"console: {line.TrimEnd()}");
        }
    }
}
