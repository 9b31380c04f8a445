using System.Runtime.InteropServices;
using Strata.Control;
using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>`strata clone --count N`: several clones in this process, until all have ended.</summary>
internal static class CloneRun
{
    /// <param name="whenRuns">What is to be done once they run.</param>
    /// <param name="token">Ends what comes before that.</param>
    public static async Task<int> ExecuteAsync(
        SnapshotStore store,
        string snapshot,
        IReadOnlyList<string> names,
        RestoreOptions options,
        Func<ValueTask> whenRuns,
        TerminationSignals signals,
        CancellationToken token)
    {
        MachineSpec spec = SnapshotCatalog.ReadSpec(store, snapshot);
        List<IAsyncDisposable> opened = [];
        try
        {
            List<MachineReservation> reservations = [];
            foreach (string name in names)
            {
                reservations.Add(await new MachineRegistry().ReserveAsync(name, spec.Origin, token).ConfigureAwait(false));
                opened.Add(reservations[^1]);
            }

            IReadOnlyList<VirtualMachine> machines = await VirtualMachine.CloneAsync(
                store, snapshot, names.Count, new ForkOptions { Names = names, Each = options }, token).ConfigureAwait(false);
            opened.AddRange(machines);
            foreach ((VirtualMachine machine, MachineReservation reservation) in machines.Zip(reservations))
            {
                ControlServer.Start(machine, reservation); // ends with the machine
            }

            await whenRuns().ConfigureAwait(false);
            Report(machines);
            return await WaitAsync(machines, signals).ConfigureAwait(false);
        }
        finally
        {
            for (int i = opened.Count - 1; i >= 0; i--)
            {
                await opened[i].DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private static void Report(IReadOnlyList<VirtualMachine> machines)
    {
        foreach (VirtualMachine machine in machines)
        {
            string forwards = string.Concat(machine.ChosenForwards.Select(forward => $" --forward {forward}"));
            Console.WriteLine(machine.Name + forwards);
            if (machine.IdentityFailure is { } failure)
            {
                Console.Error.WriteLine($"strata: {failure}");
            }
        }
    }

    /// <summary>One that has ended gives its name back, and what it holds, while the others go on.</summary>
    private static async Task<MachineExit> WaitAsync(VirtualMachine machine)
    {
        MachineExit exit = await machine.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        await machine.DisposeAsync().ConfigureAwait(false);
        return exit;
    }

    /// <summary>A signal stops all of them at once: they go without a trace anyway.</summary>
    private static async Task<int> WaitAsync(IReadOnlyList<VirtualMachine> machines, TerminationSignals signals)
    {
        int stoppedBy = 0;
        TaskCompletionSource stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using IDisposable taken = signals.Take(
            number =>
            {
                stoppedBy = number;
                stop.TrySetResult();
            },
            PosixSignal.SIGTERM,
            PosixSignal.SIGHUP,
            PosixSignal.SIGINT,
            PosixSignal.SIGQUIT);
        Task<MachineExit[]> end = Task.WhenAll(machines.Select(WaitAsync));
        if (await Task.WhenAny(end, stop.Task).ConfigureAwait(false) != end)
        {
            await Task.WhenAll(machines.Select(machine => machine.StopAsync())).ConfigureAwait(false);
        }

        int[] codes = [.. (await end.ConfigureAwait(false)).Select(exit => RunCommand.Report(exit, stoppedBy == 0 ? null : stoppedBy))];
        return codes.FirstOrDefault(code => code != ExitCodes.Success);
    }
}
