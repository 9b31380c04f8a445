using System.CommandLine;
using System.Globalization;
using Strata.Cli.Machines;
using Strata.Control;

namespace Strata.Cli.Switches;

/// <summary>`strata switch`: the switches that running machines share.</summary>
internal static class SwitchCommand
{
    public static Command Create() => new DocumentedCommand("switch", "Look at the switches that running machines share.", """
        `strata run --net switch=NAME` plugs a machine into one; it is there as long as a machine is plugged in, and needs no other
        command.

        Example: strata switch list
        """)
    {
        CreateList(), CreateShow(),
    };

    private static DocumentedCommand CreateList()
    {
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new(
            "list", "List the switches that your running machines share, and the machine whose process carries the frames of each.", """
            Example: strata switch list --output json
            """)
        {
            output,
        };
        command.SetAction(async (result, token) =>
        {
            IReadOnlyList<SwitchDescription> switches = await new SwitchRegistry().ListAsync(token);
            if (OutputOption.IsJson(result, output))
            {
                MachineArguments.WriteJson(switches);
            }
            else
            {
                PrintList(switches);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static DocumentedCommand CreateShow()
    {
        Argument<string> name = new("name") { Description = "Name of a switch; `strata switch list` shows them." };
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("show", "Show the ports of a switch, with their machines, addresses and counters.", """
            A port's frames: sent by its machine (IN), given to it (OUT), and dropped: from a wrong source or VLAN (FILTERED), on purpose
            (LOST), or because a queue was full (FULL). Counters start anew when another machine becomes the host.

            Example: strata switch show lab
            """)
        {
            name, output,
        };
        command.SetAction(async (result, token) =>
        {
            SwitchDescription description = await new SwitchRegistry().FindAsync(result.GetValue(name)!, token);
            if (OutputOption.IsJson(result, output))
            {
                MachineArguments.WriteJson(description);
            }
            else
            {
                PrintPorts(description);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void PrintList(IReadOnlyList<SwitchDescription> switches)
    {
        int name = Width("NAME", switches.Select(one => one.Name));
        int host = Width("HOST", switches.Select(one => one.Host));
        Console.WriteLine($"{"NAME".PadRight(name)}  {"HOST".PadRight(host)}  PID      MACHINES  STATIONS  WAY OUT");
        foreach (SwitchDescription one in switches)
        {
            Console.WriteLine(one.Answers
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"{one.Name.PadRight(name)}  {Printable.Text(one.Host).PadRight(host)}  {one.HostProcessId,-7}  " +
                    $"{one.Ports.Count(port => port.Machine is not null),8}  {one.StationCount,8}  {(one.IsIsolated ? "no" : "yes")}")
                : $"{one.Name.PadRight(name)}  does not answer: process {one.HostProcessId}, which hosts it, is stopped or busy");
        }
    }

    private static void PrintPorts(SwitchDescription description)
    {
        if (!description.Answers)
        {
            Console.WriteLine(
                $"{description.Name} does not answer: process {description.HostProcessId}, which hosts it, is stopped or busy");
            return;
        }

        Console.WriteLine(
            $"{description.Name}: {(description.IsIsolated ? "without a way out" : "with a way out")}, hosted by " +
            $"{Printable.Text(description.Host)} (process {description.HostProcessId})\n");
        int machine = Width("MACHINE", description.Ports.Select(Label));
        Console.WriteLine(
            $"PORT  {"MACHINE".PadRight(machine)}  PID      MAC                ADDRESS          VLAN          IN         OUT  FILTERED   " +
            $" LOST    FULL");
        foreach (SwitchPortDescription port in description.Ports)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{port.Number,4}  {Label(port).PadRight(machine)}  {port.ProcessId,-7}  {Printable.Text(port.Mac ?? "-"),-17}  " +
                $"{Printable.Text(port.Address ?? "-"),-15}  {port.Vlan,4}  {port.In,10}  {port.Out,10}  {port.Filtered,8}  " +
                $"{port.Lost,6}  {port.Overflowed,6}"));
        }
    }

    private static string Label(SwitchPortDescription port) => Printable.Text(port.Machine ?? "(router)");

    private static int Width(string title, IEnumerable<string> texts) => texts.Select(text => text.Length).Append(title.Length).Max();
}
