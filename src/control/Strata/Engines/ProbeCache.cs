using System.Globalization;
using Strata.Machines.Engines;

namespace Strata.Engines;

/// <summary>
/// Measurements of this host since it was started, in a file of the user's cache: a line with the format, one with the boot's
/// identity, and one an engine. A file that is damaged or of another boot counts as none.
/// </summary>
internal sealed class ProbeCache(string folder)
{
    private const string Format = "strata-engines 2";
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";
    private const int LargestFile = 4096;

    private readonly string _path = Path.Combine(folder, "engines");

    public IReadOnlyList<EngineMeasurement>? Read()
    {
        try
        {
            FileInfo file = new(_path);
            if (ReadBootId() is not { } boot || !file.Exists || file.Length > LargestFile)
            {
                return null;
            }

            string[] lines = File.ReadAllLines(_path);
            if (lines.Length < 3 || lines[0] != Format || lines[1] != boot)
            {
                return null;
            }

            EngineMeasurement[] results = [.. lines.Skip(2).Select(Parse).OfType<EngineMeasurement>()];
            return results.Length == lines.Length - 2 ? results : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // as good as absent: the probe measures again
        }
    }

    /// <summary>Remembers figures; a cache that cannot be written costs the next start a measurement.</summary>
    public void Write(IReadOnlyList<EngineMeasurement> results)
    {
        if (ReadBootId() is not { } boot)
        {
            return;
        }

        string[] lines = [Format, boot, .. results.Select(Print)];
        string temporary = $"{_path}.{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllLines(temporary, lines);
            File.Move(temporary, _path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // nothing is lost but time
        }
    }

    private static string? ReadBootId() => File.Exists(BootIdFile) ? File.ReadAllText(BootIdFile).Trim() : null;

    private static string Print(EngineMeasurement m) => m.Unavailable is { } cause
        ? $"{m.Engine.Name} - {cause.ReplaceLineEndings(" ")}"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{m.Engine.Name} {m.KernelMips:R} {m.UserMips:R} {m.ExitMicroseconds:R} {m.FaultMicroseconds:R} " +
            $"{m.Defect?.ReplaceLineEndings(" ")}");

    private static EngineMeasurement? Parse(string line)
    {
        string[] words = line.Split(' ', 3);
        if (EngineRegistry.Find(words[0]) is not { } engine || words.Length < 3)
        {
            return null;
        }

        if (words[1] == "-")
        {
            return new EngineMeasurement { Engine = new Engine(engine.Name), Unavailable = words[2] };
        }

        string[] parts = line.Split(' ', 6);
        double?[] figures = [.. parts.Skip(1).Take(4).Select(ParseFigure)];
        return parts.Length == 6 && !figures.Contains(null)
            ? new EngineMeasurement
            {
                Engine = new Engine(engine.Name),
                KernelMips = figures[0]!.Value,
                UserMips = figures[1]!.Value,
                ExitMicroseconds = figures[2]!.Value,
                FaultMicroseconds = figures[3]!.Value,
                Defect = parts[5].Length > 0 ? parts[5] : null,
            }
            : null;
    }

    private static double? ParseFigure(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value is >= 0 and < 1e12
            ? value
            : null;
}
