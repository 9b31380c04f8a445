using Strata.Control;

namespace Strata.Cli;

/// <summary>Tells which ports the host chose for a machine that was started.</summary>
internal static class ForwardedPortText
{
    /// <summary>A line on standard error for each port that was forwarded without a number of the host.</summary>
    public static void ReportChosen(VirtualMachine machine)
    {
        foreach (MachineForward forward in machine.ChosenForwards)
        {
            Console.Error.WriteLine($"strata: the host chose a port: --forward {forward}");
        }
    }
}
