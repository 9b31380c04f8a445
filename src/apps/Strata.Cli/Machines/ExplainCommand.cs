using System.CommandLine;
using System.Globalization;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata explain`: which engine runs a machine, and why.</summary>
internal static class ExplainCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Option<string> output = MachineArguments.Output();
        DocumentedCommand command = new("explain", "Say which engine runs a machine and why.", """
            That is: what was asked for or measured when it started, where it moved since, what is known of this host's engines (`strata
            probe` measures them all), and what the engine has done so far.

            Example: strata explain debian-tiny
            """)
        {
            machine, output,
        };
        command.SetAction(async (result, token) =>
        {
            EngineReport report = await new MachineRegistry().Find(result.GetValue(machine)!).ExplainEngineAsync(token);
            if (OutputOption.IsJson(result, output))
            {
                MachineArguments.WriteJson(report);
            }
            else
            {
                Print(report);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(EngineReport report)
    {
        Console.WriteLine($"engine:     {report.Engine.Name}");
        Console.WriteLine($"started on: {report.InitialEngine.Name}. {Printable.Text(report.Reason)}");
        foreach (EngineSwitch moved in report.Switches)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"moved:      {moved.At:yyyy-MM-dd HH:mm:ss} UTC, {moved.From.Name} to {moved.To.Name}, paused for " +
                $"{moved.PauseMilliseconds:F1} ms"));
        }

        foreach (EngineFigures figures in report.Measurements)
        {
            Console.WriteLine($"measured:   {figures.Engine.Name}: {Printable.Text(Describe(figures))}");
        }

        if (report.Measurements.Count == 0)
        {
            Console.WriteLine("measured:   nothing since this host started; strata probe does it");
        }

        foreach (string line in report.Counters)
        {
            Console.WriteLine($"done:       {Printable.Text(line)}");
        }
    }

    private static string Describe(EngineFigures figures)
    {
        if (figures.Unavailable is { } cause)
        {
            return $"cannot run here. {cause}";
        }

        List<string> parts = [];
        Add(figures.KernelMips, "MIPS in kernel mode");
        Add(figures.UserMips, "MIPS in user mode");
        Add(figures.ExitMicroseconds, "µs an exit");
        Add(figures.FaultMicroseconds, "µs a page fault");
        Add(figures.MixSeconds, "s for the mix");
        return string.Join(", ", parts) + (figures.Defect is { } defect ? $"; defective: {defect}" : string.Empty);

        void Add(double? figure, string unit)
        {
            if (figure is { } value)
            {
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"{value:0.##} {unit}"));
            }
        }
    }
}
