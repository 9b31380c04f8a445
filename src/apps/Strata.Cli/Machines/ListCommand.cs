using System.CommandLine;
using System.Globalization;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata list`: the machines that run.</summary>
internal static class ListCommand
{
    public static Command Create()
    {
        Option<string> output = MachineArguments.Output();
        DocumentedCommand command = new("list", "List your running machines.", """
            `strata run` names a machine after its image, or as --name says. FORWARDS are the host's ports that lead into it, as
            `strata run --forward` takes them, with the numbers that the host chose. STATE is asleep for a guest that has suspended itself:
            `strata wake` wakes it.

            Example: strata list --output json
            """)
        {
            output,
        };
        command.SetAction(async (result, token) =>
        {
            IReadOnlyList<MachineDescription> machines = await new MachineRegistry().ListAsync(token);
            if (OutputOption.IsJson(result, output))
            {
                MachineArguments.WriteJson(machines);
            }
            else
            {
                Print(machines);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(IReadOnlyList<MachineDescription> machines)
    {
        int name = Math.Max(12, machines.Select(machine => machine.Name.Length).DefaultIfEmpty().Max());
        int image = Math.Max(12, machines.Select(machine => machine.Image.Length).DefaultIfEmpty().Max());
        Console.WriteLine(
            $"{"NAME".PadRight(name)}  {"IMAGE".PadRight(image)}  ENGINE       CPUS  MEMORY    STATE    UPTIME      PID      FORWARDS");
        foreach (MachineDescription machine in machines)
        {
            Console.WriteLine(machine.Engine is { } engine
                ? $"{machine.Name.PadRight(name)}  {Printable.Text(machine.Image).PadRight(image)}  {engine.Name,-11}  " +
                    $"{machine.Processors,4}  {ByteSize.Format((long)machine.Memory),-8}  {(machine.IsAsleep ? "asleep" : "running"),-7} " +
                    $" {Uptime(machine.UptimeSeconds),-10}  {machine.ProcessId,-7}  " +
                    $"{string.Join(' ', machine.Forwards.Select(forward => Printable.Text(forward.ToString())))}".TrimEnd()
                : $"{machine.Name.PadRight(name)}  does not answer: it is starting, or its process is stopped");
        }
    }

    private static string Uptime(double seconds)
    {
        TimeSpan time = TimeSpan.FromSeconds(seconds);
        return time.TotalDays >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{time.Days}d {time.Hours:D2}:{time.Minutes:D2}")
            : time.ToString("hh\\:mm\\:ss", CultureInfo.InvariantCulture);
    }
}
