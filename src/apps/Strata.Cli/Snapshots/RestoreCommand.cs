using System.CommandLine;
using System.Globalization;
using Strata.Control;
using Strata.Engines;
using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>`strata snapshot restore`, `strata suspend` and `strata resume`.</summary>
internal static class RestoreCommand
{
    /// <summary>The snapshot that `strata suspend` makes and `strata resume` uses up.</summary>
    private const string Suspended = "suspended";

    private static readonly TimeSpan ReleasePatience = TimeSpan.FromSeconds(60);

    public static Command Create(TerminationSignals signals)
    {
        Argument<string> machine = SnapshotCommand.Machine();
        Argument<string> name = SnapshotCommand.Snapshot();
        Option<string> engine = Engine();
        Option<bool> noCode = SnapshotCommand.NoCode("Do not use the translated code that is kept with the snapshot.");
        DocumentedCommand command = new("restore", "Go back to a snapshot.", """
            A machine that runs goes back where it is: its terminal, forwarded ports and name stay, what it did since is lost, and its open
            connections end. One that does not run starts here, with its console on this terminal as with `strata run`; its disks' files get
            the content that they had.

            Example: strata snapshot restore web before-upgrade
            """)
        {
            machine, name, engine, noCode,
        };
        command.SetAction(async (result, token) =>
        {
            string which = result.GetValue(machine)!;
            if (await new MachineRegistry().TryFindAsync(which, token) is { } running)
            {
                TimeSpan pause = await running.RollBackAsync(result.GetValue(name)!, token);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{which} is back at {result.GetValue(name)}; it stood still for {pause.TotalMilliseconds:F1} ms"));
                return ExitCodes.Success;
            }

            RestoreOptions options = new()
            {
                Name = which,
                Engine = EngineOf(result.GetValue(engine)!),
                IgnoresKeptCode = result.GetValue(noCode),
            };
            return await RunAsync(which, result.GetValue(name)!, options, usesUp: false, signals, token);
        });
        return command;
    }

    public static Command CreateSuspend()
    {
        Argument<string> machine = Machines.MachineArguments.Machine();
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("suspend", "Save a running machine and end it; `strata resume` lets it go on.", """
            Disks that are files of their own stay where they are, and must not be changed until then. The guest does not notice but by its
            clock, and by connections that others have given up.

            Example: strata suspend web && strata resume web
            """)
        {
            machine, output,
        };
        command.SetAction(async (result, token) =>
        {
            string name = result.GetValue(machine)!;
            IMachine running = new MachineRegistry().Find(name);
            SnapshotReport report = await Machines.MachineRelease.AwaitAsync(
                running, () => running.SuspendAsync(new SnapshotRequest { Name = Suspended }, token), ReleasePatience, token);
            SnapshotCommand.Print(report, OutputOption.IsJson(result, output));
            return ExitCodes.Success;
        });
        return command;
    }

    public static Command CreateResume(TerminationSignals signals)
    {
        Argument<string> machine = SnapshotCommand.Machine();
        Option<string> engine = Engine();
        DocumentedCommand command = new("resume", "Let a suspended machine go on, with its console on this terminal.", """
            What was saved is used up when it runs.

            Example: strata resume web
            """)
        {
            machine, engine,
        };
        command.SetAction(async (result, token) =>
        {
            string name = result.GetValue(machine)!;
            return await RunAsync(
                name, Suspended, new RestoreOptions { Name = name, Engine = EngineOf(result.GetValue(engine)!) }, usesUp: true, signals,
                token);
        });
        return command;
    }

    public static Option<string> Engine() => new("--engine")
    {
        Description = "The engine that goes on: auto, kvm, direct, translator or interpreter. Default: what the machine was started with.",
        DefaultValueFactory = _ => string.Empty,
    };

    public static Engine? EngineOf(string text) => text.Length == 0 ? null : EngineNames.Parse(text);

    private static async Task<int> RunAsync(
        string machine, string snapshot, RestoreOptions restore, bool usesUp, TerminationSignals signals, CancellationToken token)
    {
        SnapshotStore store = SnapshotStore.Of(machine);
        using RunCommand run = new(new RunOptions
        {
            Spec = SnapshotCatalog.ReadSpec(store, snapshot) with { Name = restore.Name },
            Restore = new RestoredRun(
                store, snapshot, restore, async () =>
                    await (usesUp ? SnapshotCatalog.DeleteAsync(machine, snapshot, token) : Task.CompletedTask)),
        });
        return await run.ExecuteAsync(signals, token);
    }
}

/// <summary>A run that begins at a snapshot.</summary>
/// <param name="Store">Whose snapshot.</param>
/// <param name="WhenRuns">What is to be done once the machine runs.</param>
internal sealed record RestoredRun(SnapshotStore Store, string Snapshot, RestoreOptions Options, Func<ValueTask> WhenRuns);
