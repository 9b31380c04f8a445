using System.CommandLine;

namespace Strata.Cli;

/// <summary>The options of `strata run` that concern its reports.</summary>
internal sealed class LogArguments
{
    private const string Help = "help";

    private readonly Option<string[]> _log = new("--log")
    {
        Description = $"Which reports to write: LEVEL for all areas, AREA=LEVEL for one; may be repeated. Levels: " +
            $"{string.Join(", ", LogSettings.LevelNames)}; "
            + "without the option, warning. --log help lists the areas.",
    };

    private readonly Option<string?> _file = new("--log-file")
    {
        Description = "Append the reports to a file, with their time, instead of writing them on standard error.",
    };

    public void AddTo(Command command)
    {
        command.Add(_log);
        command.Add(_file);
    }

    /// <summary>Lists the areas if that is asked.</summary>
    public bool ShowsHelp(ParseResult result)
    {
        if (result.GetValue(_log)?.Contains(Help) != true)
        {
            return false;
        }

        foreach (LogArea area in LogSettings.Areas)
        {
            Console.WriteLine($"{area.Name,-10} {area.Meaning}");
        }

        Console.WriteLine($"\nlevels: {string.Join(", ", LogSettings.LevelNames)}");
        return true;
    }

    /// <exception cref="StrataException">There is no such area or level, or the file cannot be written.</exception>
    public TextLoggers Create(ParseResult result) => new(LogSettings.Parse(result.GetValue(_log) ?? []), result.GetValue(_file));
}
