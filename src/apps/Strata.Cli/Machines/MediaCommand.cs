using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata media`: what is in a machine's drives, and other media for them.</summary>
internal static class MediaCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Argument<string?> drive = new("drive")
        {
            Description = "Name of the drive, such as cd0; of use where the machine has several.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> insert = new("--insert") { Description = "Image to put in; what is in the drive comes out first." };
        Option<bool> eject = new("--eject") { Description = "Take the medium out." };
        Option<bool> force = new("--force", "-f")
        {
            Description = "Take the medium out although the guest keeps it in, such as while it is mounted; the guest's reads fail.",
        };
        Option<string> output = MachineArguments.Output();
        DocumentedCommand command = new("media", "Show what is in a machine's drives, and change or eject it.", """
            CD drives are called cd0, cd1 …, floppy drives fd0 and fd1. STATE is open where the guest has put the tray out, and locked
            where it keeps the medium in. A locked drive asks the guest to let go, as a drive's button does, and waits ten seconds for that.

            Examples:
              strata media disk
              strata media disk --insert second.iso
              strata media disk cd1 --eject
            """)
        {
            machine, drive, insert, eject, force, output,
        };
        command.SetAction(async (result, token) =>
        {
            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            string? file = result.GetValue(insert);
            bool takesOut = result.GetValue(eject);
            if (file is not null && takesOut)
            {
                throw new StrataException(
                    StrataError.BadInput,
                    "--insert takes the old medium out by itself; leave out --eject, or --insert for an empty drive.");
            }

            if (file is not null || takesOut)
            {
                await running.ChangeMediumAsync(
                    new MediumChange { Drive = result.GetValue(drive), Path = file, IsForced = result.GetValue(force) }, token);
                return ExitCodes.Success;
            }

            Print(await running.ListDrivesAsync(token), result, output);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(IReadOnlyList<RemovableDrive> drives, ParseResult result, Option<string> output)
    {
        if (OutputOption.IsJson(result, output))
        {
            MachineArguments.WriteJson(drives);
            return;
        }

        Console.WriteLine("DRIVE  STATE   MEDIUM");
        foreach (RemovableDrive drive in drives)
        {
            string state = drive.IsOpen ? "open" : drive.IsLocked ? "locked" : "shut";
            Console.WriteLine($"{drive.Name,-5}  {state,-6}  {(drive.Medium is { } medium ? Printable.Text(medium) : "empty")}");
        }
    }
}
