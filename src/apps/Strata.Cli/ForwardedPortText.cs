using Strata.Control;
using Strata.Networking.Nat;

namespace Strata.Cli;

/// <summary>Tells which ports the host chose for a machine that was started.</summary>
internal static class ForwardedPortText
{
    /// <summary>A line on standard error for each port that was forwarded without a number of the host.</summary>
    public static void ReportChosen(VirtualMachine machine)
    {
        foreach (ForwardedPort port in machine.ForwardedPorts.Where(port => port.Forward.HostPort == 0))
        {
            Console.Error.WriteLine($"strata: the host chose a port: --forward {MachineForward.Of(port)}");
        }
    }
}
