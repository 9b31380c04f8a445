using System.CommandLine;
using System.Globalization;
using Strata.Cli.Machines;
using Strata.Control;
using Strata.Snapshots;

namespace Strata.Cli.Snapshots;

/// <summary>`strata snapshot`: what machines were, kept to go back to.</summary>
internal static class SnapshotCommand
{
    public static Command Create(TerminationSignals signals) =>
        new DocumentedCommand("snapshot", "Save machines while they run, and go back to what they were.", """
        A snapshot has all of a machine: memory, devices, disks. The machine stands still for some milliseconds and goes on. Any engine goes
        on with what another has saved. A machine's snapshots are kept under its name, in ~/.local/share/strata/snapshots
        ($XDG_DATA_HOME/strata/snapshots), and store only what has changed since the one before.

        Examples:
          strata snapshot create web before-upgrade
          strata snapshot list web
          strata snapshot restore web before-upgrade     also if web does not run any more
        """)
    {
        CreateCreate(), CreateList(), CreateShow(), RestoreCommand.Create(signals), CreateDelete(), CreateExport(), CreateImport(),
    };

    public static Argument<string> Machine() => new("machine") { Description = "Name of the machine that was saved." };

    public static Argument<string> Snapshot() => new("snapshot")
    {
        Description = "Name of the snapshot; `strata snapshot list` shows them.",
    };

    public static Option<bool> NoCode(string description) => new("--no-code") { Description = description };

    public static string Describe(SnapshotReport report) => string.Create(
        CultureInfo.InvariantCulture,
        $"{report.Name}: the machine stood still for {report.Pause.TotalMilliseconds:F1} ms; {ByteSize.Format(report.MemoryStored)} of " +
        $"memory and {ByteSize.Format(report.DisksStored)} of disks stored in {report.Duration.TotalSeconds:F2} s");

    private static DocumentedCommand CreateCreate()
    {
        Argument<string> machine = MachineArguments.Machine();
        Argument<string?> name = new("snapshot")
        {
            Description = "Name of the snapshot; the date and time where it is left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> description = new("--description") { Description = "A sentence for people, which list and show print." };
        Option<bool> noCode = NoCode("Do not keep the translated code: a machine that is restored translates anew.");
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("create", "Save a running machine, which goes on.", """
            Disks whose changes are thrown away, such as that of `strata run debian`, are saved over their image, which must stay as it is;
            others are saved whole the first time. Shared folders are not saved: they are the host's.

            Example: strata snapshot create web before-upgrade

            Exit code 0: it is saved; 1: the set cannot be written; 2: no such machine runs, or the name is taken.
            """)
        {
            machine, name, description, noCode, output,
        };
        command.SetAction(async (result, token) =>
        {
            SnapshotRequest request = new()
            {
                Name = result.GetValue(name) ?? DateTime.UtcNow.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture),
                Description = result.GetValue(description),
                LeavesOutCode = result.GetValue(noCode),
            };
            SnapshotReport report = await new MachineRegistry().Find(result.GetValue(machine)!).CreateSnapshotAsync(request, token);
            Print(report, OutputOption.IsJson(result, output));
            return ExitCodes.Success;
        });
        return command;
    }

    public static void Print(SnapshotReport report, bool json)
    {
        if (json)
        {
            OutputOption.WriteJson(SnapshotRow.Of(report));
        }
        else
        {
            Console.WriteLine(Describe(report));
        }
    }

    private static DocumentedCommand CreateList()
    {
        Argument<string?> machine = new("machine")
        {
            Description = "Name of a machine, running or not; all of them where it is left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "list", "List snapshots, the oldest first.", "Example: strata snapshot list web --output json") { machine, output };
        command.SetAction(result =>
        {
            IEnumerable<string> machines = result.GetValue(machine) is { } one ? [one] : SnapshotCatalog.Machines();
            List<SnapshotRow> rows = [.. machines.SelectMany(SnapshotCatalog.List).Select(SnapshotRow.Of)];
            if (OutputOption.IsJson(result, output))
            {
                OutputOption.WriteJson(rows);
            }
            else
            {
                Console.WriteLine(rows.Count == 0 ? "no snapshots; `strata snapshot create MACHINE` makes one" : string.Join(
                    '\n', rows.Select(row => row.ToLine())));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateShow()
    {
        Argument<string> machine = Machine();
        Argument<string> name = Snapshot();
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "show", "Show what a snapshot consists of, and check its files.",
            "Example: strata snapshot show web before-upgrade") { machine, name, output };
        command.SetAction(result =>
        {
            SnapshotDetails details = SnapshotCatalog.Show(result.GetValue(machine)!, result.GetValue(name)!);
            if (OutputOption.IsJson(result, output))
            {
                OutputOption.WriteJson(details);
            }
            else
            {
                Console.WriteLine(SnapshotRow.Describe(details));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateDelete()
    {
        Argument<string> machine = Machine();
        Argument<string[]> names = new("snapshot") { Description = "Names of snapshots.", Arity = ArgumentArity.OneOrMore };
        DocumentedCommand command = new("delete", "Forget snapshots, and free what only they needed.", """
            Machines that were restored from them go on.

            Example: strata snapshot delete web monday tuesday
            """)
        {
            machine, names,
        };
        command.SetAction(async (result, token) =>
        {
            foreach (string name in result.GetValue(names)!)
            {
                await SnapshotCatalog.DeleteAsync(result.GetValue(machine)!, name, token);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateExport()
    {
        Argument<string> machine = Machine();
        Argument<string> name = Snapshot();
        Argument<string> file = new("file") { Description = "File to write; - for standard output." };
        DocumentedCommand command = new("export", "Write a snapshot into one file, with all that it needs.", """
            The file has the whole disks, and can be imported on a host that has neither the image nor the disks.

            Example: strata snapshot export web before-upgrade web.strata
            """)
        {
            machine, name, file,
        };
        command.SetAction(async (result, token) =>
        {
            await SnapshotFile.ExportAsync(result.GetValue(machine)!, result.GetValue(name)!, result.GetValue(file)!, token);
            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateImport()
    {
        Argument<string> file = new("file") { Description = "File that `strata snapshot export` wrote; - for standard input." };
        Argument<string> machine = new("machine") { Description = "Name of the machine that gets it; it need not exist." };
        Argument<string?> name = new("snapshot")
        {
            Description = "Name for it; its own where it is left out.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> allowHostPaths = new("--allow-host-paths")
        {
            Description = "Let the machine read the files and folders of this host that it names: its shared folders, and its kernel " +
                "when it resets. For archives from people whom you trust.",
        };
        DocumentedCommand command = new("import", "Take a snapshot out of a file.", "Example: strata snapshot import web.strata web2")
        {
            file, machine, name, allowHostPaths,
        };
        command.SetAction(async (result, token) =>
        {
            Console.WriteLine(await SnapshotFile.ImportAsync(
                result.GetValue(file)!, result.GetValue(machine)!, result.GetValue(name), result.GetValue(allowHostPaths), token));
            return ExitCodes.Success;
        });
        return command;
    }
}
