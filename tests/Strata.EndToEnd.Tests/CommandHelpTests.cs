using System.Text.RegularExpressions;
using Strata.EndToEnd.Tests.Harness;

namespace Strata.EndToEnd.Tests;

/// <summary>What `--help` of the command teaches.</summary>
public sealed partial class CommandHelpTests : IDisposable
{
    private const int LongestSummary = 120;
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(5));

    /// <summary>Every command that there is, found by way of the lists in the helps above it.</summary>
    [Fact]
    public async Task Help_OfEveryCommand_CallsItStrataAndHasAnExample()
    {
        Queue<string[]> open = new([[]]);
        List<string> seen = [];
        List<string> faults = [];
        Dictionary<string, string> lists = [];
        while (open.TryDequeue(out string[]? command))
        {
            string name = string.Join(' ', ["strata", .. command]);
            string help = await HelpAsync(command);
            seen.Add(name);
            Match usage = Usage().Match(help);
            if (!usage.Success
                || !usage.Groups["line"].Value.StartsWith(name, StringComparison.Ordinal)
                || help.Contains("Strata.Cli", StringComparison.Ordinal))
            {
                faults.Add($"{name}: the usage does not begin with it");
            }

            string listed = UsageOptions().Replace(usage.Groups["line"].Value[name.Length..], string.Empty);
            if (command.Length > 0
                && !lists[string.Join(' ', command[..^1])].Contains($"\n  {command[^1]}{listed}  ", StringComparison.Ordinal))
            {
                faults.Add($"{name}: the list of commands does not have it as its usage does, \"{listed}\"");
            }

            lists[string.Join(' ', command)] = help;
            if (!Example().IsMatch(help))
            {
                faults.Add($"{name}: there is no example");
            }

            string summary = help.Split('\n')[1].Trim();
            if (summary.Length > LongestSummary || !summary.EndsWith('.'))
            {
                faults.Add($"{name}: \"{summary}\" is no short sentence");
            }

            Array.ForEach(CommandsBelow(help), below => open.Enqueue([.. command, below]));
        }

        Assert.Empty(faults);
        Assert.Contains("strata run", seen);
        Assert.Contains("strata disk snapshot apply", seen);
    }

    [Fact]
    public async Task Version_IsANumberTheCommitAndHowItWasCompiled()
    {
        using HostCommand command = HostCommand.StartStrata("--version");

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal((0, ""), (code, errors));
        Assert.Matches(@"\A\d+\.\d+\.\d+(\+[0-9a-f]{40})?, (native|precompiled|compiled while it runs)\n\z", command.Output);
    }

    [Theory]
    [InlineData("frobnicate")]
    [InlineData("run", "--frobnicate")]
    [InlineData("image")]
    public async Task Command_ThatDoesNotExist_IsBadInputAndSaysSo(params string[] arguments)
    {
        using HostCommand command = HostCommand.StartStrata(arguments);

        (int code, string errors) = await command.WaitForExitAsync(_timeout.Token);

        Assert.Equal(2, code);
        Assert.NotEmpty(errors);
    }

    public void Dispose() => _timeout.Dispose();

    /// <summary>The list ends at an empty line; what a command has to add comes behind it.</summary>
    private static string[] CommandsBelow(string help)
    {
        const string heading = "\nCommands:\n";
        int start = help.IndexOf(heading, StringComparison.Ordinal);
        return start < 0
            ? []
            : [.. help[(start + heading.Length)..].Split("\n\n")[0].Split('\n').Select(
                line => line.Trim().Split(' ')[0]).Where(name => name.Length > 0)];
    }

    private async Task<string> HelpAsync(string[] command)
    {
        using HostCommand help = HostCommand.StartStrata([.. command, "--help"]);
        (int code, string errors) = await help.WaitForExitAsync(_timeout.Token);
        Assert.Equal((0, ""), (code, errors));
        return help.Output;
    }

    [GeneratedRegex(@"\nUsage:\n  (?<line>.*)\n")]
    private static partial Regex Usage();

    /// <summary>What the usage has behind a command's names.</summary>
    [GeneratedRegex(@"( \[(command|options)\])+$")]
    private static partial Regex UsageOptions();

    [GeneratedRegex(@"\nExamples?:\s+strata ")]
    private static partial Regex Example();
}
