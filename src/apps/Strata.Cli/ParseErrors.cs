using System.CommandLine;
using System.CommandLine.Invocation;

namespace Strata.Cli;

/// <summary>A command line that is none: a sentence for each fault, and where to read on.</summary>
internal static class ParseErrors
{
    /// <returns>Whether there was one, and it is dealt with.</returns>
    public static bool Report(ParseResult parsed)
    {
        if (parsed.Action is not ParseErrorAction
            || (parsed.CommandResult.Command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count == 0))
        {
            return false; // all is well, or a command of commands was given none: the library lists them
        }

        // A word that is no command is said twice, once as a command that is missing.
        IEnumerable<string> errors = parsed.UnmatchedTokens.Count > 0
            ? parsed.UnmatchedTokens.Select(word => $"\"{word}\" is {Judge(word, parsed.CommandResult.Command)}.")
            : parsed.Errors.Select(error => error.Message);
        string command = string.Join(' ', Names(parsed.CommandResult).Reverse());
        Console.Error.WriteLine($"strata: {string.Join(' ', errors)} See `{command} --help`.");
        return true;
    }

    private static string Judge(string word, Command command) => word switch
    {
        ['-', ..] => "no option",
        _ when command.Subcommands.Count > 0 => "no command",
        _ => "one argument too many",
    };

    private static IEnumerable<string> Names(System.CommandLine.Parsing.SymbolResult? result)
    {
        for (; result is System.CommandLine.Parsing.CommandResult command; result = command.Parent)
        {
            yield return command.Command.Name;
        }
    }
}
