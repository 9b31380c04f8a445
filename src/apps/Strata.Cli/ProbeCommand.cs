using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Strata.Engines;

namespace Strata.Cli;

/// <summary>`strata probe`: how fast each engine is on this host.</summary>
internal static class ProbeCommand
{
    public static Command Create()
    {
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("probe", "Measure every engine on this host, and remember the result until the host restarts.", """
            --engine auto goes by it. The existence of /dev/kvm does not say that KVM is fast: where it is itself virtualized in software,
            kernel code can run hundreds of times slower than under the translator. So the probe runs code on each engine: a loop in
            kernel mode, the same in user mode, writes to an I/O port (exit), and page faults. MIX is the time for 0.4 billion kernel and
            0.6 billion user instructions, 20,000 exits and 150,000 page faults; the smallest wins.

            Example: strata probe --output json
            """)
        {
            output,
        };
        command.SetAction(async (result, token) =>
        {
            IReadOnlyList<EngineMeasurement> results = await new EngineProbe().MeasureAsync(token).ConfigureAwait(false);
            EngineChoice choice = EngineProbe.Choose(results);
            Console.Write(OutputOption.IsJson(result, output) ? ToJson(results, choice) : ToTable(results, choice));
            return ExitCodes.Success;
        });
        return command;
    }

    private static string ToTable(IReadOnlyList<EngineMeasurement> results, EngineChoice choice)
    {
        StringBuilder text = new();
        text.AppendLine("ENGINE       KERNEL MIPS   USER MIPS   EXIT µs   FAULT µs      MIX s");
        foreach (EngineMeasurement m in results)
        {
            string name = m.Engine.Name;
            text.AppendLine(m.Unavailable is { } cause
                ? $"{name,-11}  {cause}"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name,-11}  {m.KernelMips,11:F1} {m.UserMips,11:F1} {m.ExitMicroseconds,9:F2} {m.FaultMicroseconds,10:F2} " +
                    $"{(double.IsFinite(m.MixSeconds) ? m.MixSeconds.ToString("F2", CultureInfo.InvariantCulture) : "-"),10}"));
        }

        foreach (EngineMeasurement m in results.Where(m => m.Defect is not null))
        {
            text.AppendLine().AppendLine($"{m.Engine.Name} is defective: {m.Defect}.");
        }

        return text.AppendLine().AppendLine($"--engine auto is {choice.Engine.Name}.").ToString();
    }

    private static string ToJson(IReadOnlyList<EngineMeasurement> results, EngineChoice choice)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("auto", choice.Engine.Name);
            json.WriteStartArray("engines");
            foreach (EngineMeasurement m in results)
            {
                json.WriteStartObject();
                json.WriteString("engine", m.Engine.Name);
                if (m.Unavailable is { } cause)
                {
                    json.WriteString("unavailable", cause);
                }
                else
                {
                    json.WriteNumber("kernelMips", Math.Round(m.KernelMips, 3));
                    json.WriteNumber("userMips", Math.Round(m.UserMips, 3));
                    json.WriteNumber("exitMicroseconds", Math.Round(m.ExitMicroseconds, 3));
                    json.WriteNumber("faultMicroseconds", Math.Round(m.FaultMicroseconds, 3));
                    if (m.Defect is { } defect)
                    {
                        json.WriteString("defect", defect);
                    }
                    else
                    {
                        json.WriteNumber("mixSeconds", Math.Round(m.MixSeconds, 3));
                    }
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }
}
