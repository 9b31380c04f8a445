using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Strata.Cli;

/// <summary>`--help` of every command: the library's part, then what a <see cref="DocumentedCommand"/> has to add.</summary>
internal sealed class CommandHelp : SynchronousCommandLineAction
{
    private readonly HelpAction _usage = new();

    /// <summary>The option, for the first command of all; the others inherit it.</summary>
    public static HelpOption CreateOption() => new() { Action = new CommandHelp() };

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int code = _usage.Invoke(parseResult);
        if (parseResult.CommandResult.Command is DocumentedCommand documented)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(documented.Details);
        }

        return code;
    }
}
