using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata exec`: one command in a running machine.</summary>
internal static class ExecCommand
{
    private const string Name = "exec";
    private const string EndOfOptions = "--";

    /// <summary>Options that the next word belongs to.</summary>
    private static readonly string[] ValueOptions = ["--env", "-e", "--workdir", "-w"];

    public static Command Create(TerminationSignals signals)
    {
        Argument<string> machine = MachineArguments.Machine();
        Argument<string[]> words = new("command")
        {
            Description = "The program in the guest, looked up there, and what it gets.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string[]> environment = new("--env", "-e") { Description = "NAME=VALUE for the command's environment; may be repeated." };
        Option<string> folder = new("--workdir", "-w")
        {
            Description = "The command's working folder in the guest.",
            DefaultValueFactory = _ => "/",
        };
        Option<bool> terminal = new("--tty", "-t")
        {
            Description = "Give the command a terminal; the default where input and output are terminals.",
        };
        Option<bool> noTerminal = new("--no-tty", "-T") { Description = "Give the command no terminal." };
        DocumentedCommand command = new(Name, "Run a command in a running machine, with this command's input and outputs.", """
            Ctrl-C and SIGTERM go to the command; a second one leaves it, which ends it. The options stand before the machine's name. The
            guest needs the agent: the images of `strata image list` have it.

            Examples:
              strata exec debian-tiny uname -a
              strata exec debian-tiny sh -c 'cat > /tmp/x; sha256sum /tmp/x' < file
              strata exec -t -w /root debian-tiny sh                        a shell on this terminal

            When nobody reads the output any more, as behind `| head`, the command's next write ends it by SIGPIPE, or fails; if it runs
            on for five seconds, it is ended.

            Exit code: the command's own; 127: the guest has no such program; 126: it cannot be run; 128 and the number for a signal, be it
            the command's or this one's; 141: it ran on though nobody read its output; 1: the guest did not answer; 2: no such machine runs.
            """)
        {
            machine, words, environment, folder, terminal, noTerminal,
        };
        command.SetAction(async (result, _) =>
        {
            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            bool isTerminal = result.GetValue(terminal)
                || (!result.GetValue(noTerminal) && !Console.IsInputRedirected && !Console.IsOutputRedirected);
            using GuestCommandRun run = new(running.Agent, signals);
            return await run.ExecuteAsync(
                new GuestCommand(result.GetValue(words)!)
                {
                    Environment = ParseEnvironment(result.GetValue(environment) ?? []),
                    Folder = result.GetValue(folder)!,
                },
                isTerminal ? GuestTerminal.OfThisProcess : GuestTerminal.None,
                passTerminalInput: true);
        });
        return command;
    }

    /// <summary>Everything behind the machine's name is the guest's, options included: says so to the parser.</summary>
    public static string[] SeparateGuestCommand(string[] args)
    {
        if (args.Length == 0 || args[0] != Name)
        {
            return args;
        }

        int at = 1;
        while (at < args.Length && args[at].StartsWith('-'))
        {
            if (args[at] == EndOfOptions)
            {
                return args;
            }

            at += ValueOptions.Contains(args[at]) ? 2 : 1;
        }

        int behind = at + 1;
        return behind >= args.Length || args[behind] == EndOfOptions ? args : [.. args[..behind], EndOfOptions, .. args[behind..]];
    }

    private static Dictionary<string, string> ParseEnvironment(string[] variables)
    {
        Dictionary<string, string> parsed = [];
        foreach (string variable in variables)
        {
            string[] parts = variable.Split('=', 2);
            parsed[parts[0]] = parts.Length == 2 && parts[0].Length > 0
                ? parts[1]
                : throw new StrataException(StrataError.BadInput, $"\"{variable}\" sets no variable; write --env NAME=VALUE.");
        }

        return parsed;
    }
}
