using System.Runtime.InteropServices;
using Strata.Machines.Boards;

namespace Strata.Cli;

/// <summary>
/// `strata run --exec`: boots a machine, runs one command in it with this process's streams, and ends with the command's exit code.
/// </summary>
internal static class ExecRun
{
    private const int InterruptSignal = 2;
    private const int TerminateSignal = 15;
    private const int ConsoleLines = 15;
    private const int PipeSignal = 13;
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SyncPatience = TimeSpan.FromSeconds(10);

    public static async Task<int> ExecuteAsync(MachineSpec spec, string line, bool statistics)
    {
        await using VirtualMachine machine = await VirtualMachine.StartAsync(spec).ConfigureAwait(false);
        using CancellationTokenSource interrupted = new();
        Task<MachineExit> end = machine.WaitForExitAsync(CancellationToken.None);
        GuestProcess? process = null;
        using PosixSignalRegistration interrupt = Forward(PosixSignal.SIGINT, InterruptSignal);
        using PosixSignalRegistration terminate = Forward(PosixSignal.SIGTERM, TerminateSignal);
        try
        {
            using Stream output = Console.OpenStandardOutput();
            using Stream errors = Console.OpenStandardError();
            process = await machine.Agent.StartAsync(
                GuestCommand.Shell(line), bytes => Pass(bytes, output), bytes => Pass(bytes, errors), interrupted.Token).ConfigureAwait(false);
            _ = PumpInputAsync(process);
            int code = await process.WaitForExitAsync(interrupted.Token).ConfigureAwait(false);
            await SyncAsync(machine, spec).ConfigureAwait(false);
            return code;
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
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
            if (process is not null)
            {
                await process.DisposeAsync().ConfigureAwait(false);
            }

            if (statistics)
            {
                await Console.Error.WriteLineAsync(machine.DescribeCounters()).ConfigureAwait(false);
            }
        }

        // Who reads the output may go away: then the command ends as in a pipe of the guest.
        void Pass(ReadOnlyMemory<byte> bytes, Stream target)
        {
            try
            {
                target.Write(bytes.Span);
            }
            catch (IOException)
            {
                _ = process?.SignalAsync(PipeSignal);
            }
        }

        // The first signal goes to the command, if there is one; the next ends the machine.
        PosixSignalRegistration Forward(PosixSignal signal, int number)
        {
            bool sent = false;
            return PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                if (process is null || Interlocked.Exchange(ref sent, true))
                {
                    interrupted.Cancel();
                }
                else
                {
                    _ = process.SignalAsync(number, interrupted.Token);
                }
            });
        }
    }

    private static int ReportEnd(MachineExit exit)
    {
        if (exit.Reason == MachineExitReason.PowerOff)
        {
            Console.Error.WriteLine("strata: The guest powered off before the command ended.");
            return ExitCodes.Failure;
        }

        return RunCommand.Report(exit, interrupted: false);
    }

    /// <summary>A terminal is not passed on: the command reads the end of its input at once.</summary>
    private static async Task PumpInputAsync(GuestProcess process)
    {
        try
        {
            if (Console.IsInputRedirected)
            {
                using Stream input = Console.OpenStandardInput();
                byte[] buffer = new byte[16 << 10];
                int count;
                while ((count = await input.ReadAsync(buffer).ConfigureAwait(false)) > 0)
                {
                    await process.WriteInputAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
                }
            }

            await process.CompleteInputAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The guest has gone; whoever waits for the command says so.
        }
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
