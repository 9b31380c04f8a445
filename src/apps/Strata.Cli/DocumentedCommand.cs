using System.CommandLine;

namespace Strata.Cli;

/// <summary>
/// A command whose help goes on behind its options. The description is one sentence, as it also stands in the list of commands.
/// </summary>
/// <param name="details">How it works, examples, exit codes; lines of at most 120 characters.</param>
internal sealed class DocumentedCommand(string name, string description, string details) : Command(name, description)
{
    public string Details => details;
}
