using System.CommandLine;
using Strata.Cli.Machines;
using Strata.Control;
using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>`strata clone`: other machines that begin where one is, or was.</summary>
internal sealed class CloneCommand
{
    private const int MostClones = 64;

    private readonly Argument<string> _machine = new("machine")
    {
        Description = "Name of the machine: one that runs, or with --snapshot one that was saved.",
    };

    private readonly Argument<string?> _name = new("name")
    {
        Description = "Name of the clone; MACHINE-1 or the next free one where it is left out. Several are called NAME-1, NAME-2 ….",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _snapshot = new("--snapshot")
    {
        Description = "The snapshot to begin at, rather than where the machine is.",
    };

    private readonly Option<int> _count = new("--count")
    {
        Description = $"How many clones, at most {MostClones}. More than one have no terminal; `strata console` and `strata exec` reach " +
            $"them.",
        DefaultValueFactory = _ => 1,
    };

    private readonly Option<string[]> _forward = new("--forward")
    {
        Description = "Lead a host port into the clone instead of the ports that lead into the machine; as with `strata run`. Of one " +
            "clone.",
    };

    private readonly Option<bool> _keepIdentity = new("--keep-identity")
    {
        Description = "Leave the clone's guest as it is: random numbers to come, MAC addresses, host name, machine ID, SSH host keys. " +
            "For one that takes the machine's place.",
    };

    private readonly Option<string> _engine = RestoreCommand.Engine();

    private CloneCommand()
    {
    }

    public static Command Create(TerminationSignals signals)
    {
        CloneCommand command = new();
        DocumentedCommand parsed = new("clone", "Start copies of a machine, which goes on.", """
            A clone begins where the machine is at this moment. Memory and disks are shared until somebody writes, and what a clone writes
            goes with it. One clone runs here, with its console on this terminal as with `strata run`.

            The agent in the guest gives it random numbers, MAC addresses, a DHCP lease, a host name, a machine ID and SSH host keys of its
            own; a guest without one keeps those of the machine, and a line says so. Forwarded ports get new numbers, which are printed.

            Examples:
              strata clone web
              strata clone web test --snapshot before-upgrade
              strata clone web worker --count 20

            Exit code 0: the clones ended as machines do; 1: they cannot be started; 2: no such machine or snapshot, or a name is taken.
            """)
        {
            command._machine, command._name, command._snapshot, command._count, command._forward, command._keepIdentity, command._engine,
        };
        parsed.SetAction((result, token) => command.RunAsync(result, signals, token));
        return parsed;
    }

    private async Task<int> RunAsync(ParseResult result, TerminationSignals signals, CancellationToken token)
    {
        string machine = result.GetValue(_machine)!;
        int count = result.GetValue(_count);
        RestoreOptions options = new()
        {
            Identity = MachineIdentity.New,
            Engine = RestoreCommand.EngineOf(result.GetValue(_engine)!),
            KeepIdentity = result.GetValue(_keepIdentity),
        };
        string[] forwards = result.GetValue(_forward) ?? [];
        options = forwards.Length > 0 ? options.WithForwards(forwards) : options;
        if (count is < 1 or > MostClones || (count > 1 && forwards.Length > 0))
        {
            throw new StrataException(
                StrataError.BadInput,
                $"There can be 1 to {MostClones} clones, and --forward is for one alone; several get ports that the host chooses.");
        }

        IReadOnlyList<string> names = await ChooseNamesAsync(machine, result.GetValue(_name), count, token).ConfigureAwait(false);
        if (result.GetValue(_snapshot) is { } snapshot)
        {
            return await RunAsync(
                SnapshotStore.Of(machine), snapshot, names, options, () => ValueTask.CompletedTask, signals, token).ConfigureAwait(false);
        }

        ForkPoint point = await new MachineRegistry().Find(machine).CreateForkPointAsync(token).ConfigureAwait(false);
        await using (point.ConfigureAwait(false))
        {
            return await RunAsync(point.Store, point.Name, names, options, point.DisposeAsync, signals, token).ConfigureAwait(false);
        }
    }

    /// <param name="whenRuns">What is to be done once the clones run.</param>
    private static async Task<int> RunAsync(
        SnapshotStore store,
        string snapshot,
        IReadOnlyList<string> names,
        RestoreOptions options,
        Func<ValueTask> whenRuns,
        TerminationSignals signals,
        CancellationToken token)
    {
        if (names.Count > 1)
        {
            return await CloneRun.ExecuteAsync(store, snapshot, names, options, whenRuns, signals, token).ConfigureAwait(false);
        }

        using RunCommand run = new(new RunOptions
        {
            Spec = SnapshotCatalog.ReadSpec(store, snapshot) with { Name = names[0] },
            Restore = new RestoredRun(store, snapshot, options, whenRuns),
        });
        return await run.ExecuteAsync(signals, token).ConfigureAwait(false);
    }

    /// <summary>One name as it is given; otherwise the next free ones.</summary>
    private static async Task<IReadOnlyList<string>> ChooseNamesAsync(string machine, string? name, int count, CancellationToken token)
    {
        if (name is not null && count == 1)
        {
            return [name];
        }

        HashSet<string> taken = [.. (await new MachineRegistry().ListAsync(token).ConfigureAwait(false)).Select(running => running.Name)];
        return [.. Enumerable.Range(1, int.MaxValue)
            .Select(number => $"{name ?? machine}-{number}")
            .Where(candidate => !taken.Contains(candidate))
            .Take(count)];
    }
}
