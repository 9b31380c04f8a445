using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;

namespace Strata.Cli;

/// <summary>`--help` of every command: the library's part, then what a <see cref="DocumentedCommand"/> has to add.</summary>
internal sealed class CommandHelp : SynchronousCommandLineAction
{
    private const string Indent = "  ";

    private readonly HelpAction _usage = new();

    /// <summary>The option, for the first command of all; the others inherit it.</summary>
    public static HelpOption CreateOption() => new() { Action = new CommandHelp() };

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Command command = parseResult.CommandResult.Command;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        using StringWriter help = new();
        int code;
        try
        {
            parseResult.InvocationConfiguration.Output = help;
            code = _usage.Invoke(parseResult);
        }
        finally
        {
            parseResult.InvocationConfiguration.Output = output;
        }

        output.Write(WithOptionalNames(help.ToString(), command));
        if (command is DocumentedCommand documented)
        {
            output.WriteLine(documented.Details);
        }

        return code;
    }

    /// <summary>The library's list of commands has every name as if it were needed: it is to read as their usage does.</summary>
    /// <param name="help">What the library writes.</param>
    /// <param name="command">Whose help it is.</param>
    internal static string WithOptionalNames(string help, Command command)
    {
        List<(string Listed, string Right)> terms =
            [.. command.Subcommands.Where(below => !below.Hidden)
                .Select(below => (Term(below, showsOptional: false), Term(below, showsOptional: true)))];
        int old = terms.Select(term => term.Listed.Length).DefaultIfEmpty().Max();
        int wide = terms.Select(term => term.Right.Length).DefaultIfEmpty().Max();
        StringBuilder result = new();
        bool isListed = false;
        foreach (string line in help.Split('\n'))
        {
            (string Listed, string Right) term = terms.Find(
                term => line.StartsWith(Indent + term.Listed.PadRight(old) + Indent, StringComparison.Ordinal));
            // a summary of several lines
            bool goesOn = isListed && line.StartsWith(Indent + new string(' ', old) + Indent, StringComparison.Ordinal);
            isListed = goesOn || term.Listed is not null;
            string text = isListed ? $"{Indent}{(term.Right ?? string.Empty).PadRight(wide)}{line[(Indent.Length + old)..]}" : line;
            result.Append(text).Append('\n');
        }

        return result.ToString(0, result.Length - 1);
    }

    private static string Term(Command command, bool showsOptional)
    {
        IEnumerable<string> names = command.Arguments.Where(argument => !argument.Hidden).Select(argument =>
        {
            string name = $"<{argument.HelpName ?? argument.Name}>";
            return !showsOptional ? name
                : (argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name) + (
                    argument.Arity.MaximumNumberOfValues > 1 ? "..." : string.Empty);
        });
        return string.Join(' ', [string.Join(", ", command.Aliases.Prepend(command.Name).Distinct()), .. names]);
    }
}
