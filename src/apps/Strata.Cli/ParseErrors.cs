using System.CommandLine;
using System.CommandLine.Invocation;

namespace Strata.Cli;

/// <summary>A command line that is none: a sentence for each fault, and where to read on.</summary>
internal static class ParseErrors
{
    /// <returns>Whether there was one, and it is dealt with.</returns>
    public static bool Report(ParseResult parsed)
    {
        if (parsed.Action is not ParseErrorAction || (parsed.CommandResult.Command.Subcommands.Count > 0 && parsed.UnmatchedTokens.Count == 0))
        {
            return false; // all is well, or a command of commands was given none: the library lists them
        }

        // A word that is no command is said twice, once as a command that is missing.
        IEnumerable<string> errors = parsed.UnmatchedTokens.Count > 0
            ? parsed.UnmatchedTokens.Select(word => $"\"{word}\" is {(word.StartsWith('-') ? "no option" : parsed.CommandResult.Command.Subcommands.Count > 0 ? "no command" : "one argument too many")}.")
            : parsed.Errors.Select(error => error.Message);
        string command = string.Join(' ', Names(parsed.CommandResult).Reverse());
        Console.Error.WriteLine($"strata: {string.Join(' ', errors)} See `{command} --help`.");
        return true;
    }

    private static IEnumerable<string> Names(System.CommandLine.Parsing.SymbolResult? result)
    {
        for (; result is System.CommandLine.Parsing.CommandResult command; result = command.Parent)
        {
            yield return command.Command.Name;
        }
    }
}
