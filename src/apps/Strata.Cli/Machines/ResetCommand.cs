using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata reset`: presses a machine's reset button.</summary>
internal static class ResetCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        DocumentedCommand command = new("reset", "Press a machine's reset button: the guest starts again at once.", """
            Nobody asks the guest: what it has not written to its disks is lost, as with a PC. The machine keeps its name, its console, its
            forwarded ports and its engine. One that was started with --reset exit ends, with exit code 101.

            For a guest that is to shut down first: strata exec MACHINE reboot

            Example: strata reset debian-tiny

            Exit code 0: the button has been pressed; 2: no such machine runs.
            """)
        {
            machine,
        };
        command.SetAction(async (result, token) =>
        {
            await new MachineRegistry().Find(result.GetValue(machine)!).ResetAsync(token);
            return ExitCodes.Success;
        });
        return command;
    }
}
