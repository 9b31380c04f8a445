using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata wake`: wakes a guest that sleeps.</summary>
internal static class WakeCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        DocumentedCommand command = new("wake", "Wake a guest that has gone to sleep.", """
            A guest goes to sleep by itself, as by `systemctl suspend`; `strata list` says so. Until its alarm or this command wakes it,
            exec and cp are refused. `strata stop` wakes it by itself. A guest that is awake is left alone.

            Example: strata wake desktop
            """)
        {
            machine,
        };
        command.SetAction(async (result, token) =>
        {
            await new MachineRegistry().Find(result.GetValue(machine)!).WakeAsync(token);
            return ExitCodes.Success;
        });
        return command;
    }
}
