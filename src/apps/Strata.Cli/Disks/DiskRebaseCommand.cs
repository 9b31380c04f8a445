using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>`strata disk rebase`.</summary>
internal static class DiskRebaseCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image(description: "Overlay.");
        Option<string?> backing = new("--backing", "-b")
        {
            Description = "New backing image, named relative to the overlay's folder; left out: none, the overlay then holds all of the " +
                "disk.",
        };
        Option<string?> backingFormat = new("--backing-format") { Description = "Its format; without it its content decides now, once." };
        Option<string> allowed = DiskArguments.Backing();
        Option<bool> isUnsafe = new("--unsafe")
        {
            Description = "Change the name alone, for a backing image that was moved. With a different image the disk is destroyed.",
        };
        DocumentedCommand command = new("rebase", "Put an overlay on another backing image. The disk's content stays the same.", """
            What differs between the old backing image and the new one is copied into the overlay first.

            Examples:
              strata disk rebase work.qcow2 --backing newer.qcow2
              strata disk rebase work.qcow2                                 no backing image any more
              strata disk rebase work.qcow2 --backing moved/root.qcow2 --unsafe
            """)
        {
            image, backing, backingFormat, allowed, isUnsafe,
        };
        command.SetAction((result, token) => Task.FromResult(DiskArguments.Run(() =>
        {
            DiskSource overlay = new(result.GetValue(image)!)
            {
                Format = "qcow2",
                Backing = DiskArguments.ParseBacking(result.GetValue(allowed)!),
            };
            using TerminalProgress progress = new("Rebasing");
            DiskTool.Rebase(overlay, result.GetValue(backing), result.GetValue(backingFormat), result.GetValue(isUnsafe), progress, token);
            return ExitCodes.Success;
        })));
        return command;
    }
}
