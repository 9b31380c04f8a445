using Microsoft.Extensions.Logging;
using Strata.Control;
using Strata.Core.Logging;

namespace Strata;

/// <summary>Which reports are wanted: a level for all areas, and others for some, as `--log` has them.</summary>
public sealed class LogSettings
{
    private static readonly (LogLevel Level, string Word)[] Levels =
    [
        (LogLevel.Trace, "trace"), (LogLevel.Debug, "debug"), (LogLevel.Information, "info"), (LogLevel.Warning, "warning"),
        (LogLevel.Error, "error"),
        (LogLevel.None, "none"),
    ];

    private readonly Dictionary<string, LogLevel> _areas = [];
    private LogLevel _others = LogLevel.Warning;

    /// <summary>Every area: the word for it, the category of its logger, and what it reports.</summary>
    public static IReadOnlyList<LogArea> Areas { get; } =
    [
        new("machine", LogAreas.Machine, "a machine's start and end, and files that changed meanwhile"),
        new("engine", LogAreas.Engine, "which engine runs it, a move to another, one that could not run it"),
        new("virtio", LogAreas.Virtio, "virtio devices that gave up because of what their driver did, requests that failed"),
        new("disks", LogAreas.Disks, "images that were repaired when they were opened"),
        new("network", LogAreas.Network, "captures that are incomplete, switches that cannot be reached"),
        new("agent", LogAreas.Agent, "an agent that was lost"),
        new("firmware", LogAreas.Firmware, "what firmware says while it starts the machine"),
        new("display", LogAreas.Display, "VNC clients that come and go, and those that are refused"),
        new("control", LogAreas.Control, "other processes that ask the machine, and those that are refused"),
    ];

    /// <summary>The levels, from the most reports to none.</summary>
    public static IReadOnlyList<string> LevelNames { get; } = [.. Levels.Select(level => level.Word)];

    /// <summary>Understands LEVEL for all areas and AREA=LEVEL for one; what is said last counts.</summary>
    /// <exception cref="StrataException">There is no such area or level.</exception>
    public static LogSettings Parse(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        LogSettings settings = new();
        foreach (string text in texts)
        {
            string[] pair = text.Split('=', 2);
            LogLevel level = ParseLevel(pair[^1]);
            if (pair.Length == 1)
            {
                settings._others = level;
            }
            else
            {
                settings._areas[ParseArea(pair[0]).Category] = level;
            }
        }

        return settings;
    }

    /// <summary>Whether a report is wanted.</summary>
    /// <param name="category">Of a logger.</param>
    public bool IsEnabled(string category, LogLevel level) =>
        level != LogLevel.None && level >= (_areas.TryGetValue(category, out LogLevel least) ? least : _others);

    private static LogLevel ParseLevel(string text)
    {
        int index = Array.FindIndex(Levels, level => level.Word == text);
        return index >= 0
            ? Levels[index].Level
            : throw new StrataException(
                StrataError.BadInput,
                $"There is no log level \"{Printable.Text(text)}\"; use {string.Join(", ", LevelNames)}, for all areas or as AREA=LEVEL.");
    }

    private static LogArea ParseArea(string text) => Areas.FirstOrDefault(area => area.Name == text)
        ?? throw new StrataException(
            StrataError.BadInput,
            $"There is no log area \"{Printable.Text(text)}\"; use {string.Join(", ", Areas.Select(area => area.Name))}.");
}

/// <summary>A part of the machine that reports.</summary>
/// <param name="Name">As `--log` has it.</param>
/// <param name="Category">Of its logger.</param>
/// <param name="Meaning">What it reports, a few words.</param>
public sealed record LogArea(string Name, string Category, string Meaning);
