using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>`strata disk commit`.</summary>
internal static class DiskCommitCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image(description: "Overlay.");
        Option<string?> format = DiskArguments.Format();
        Option<string> allowed = DiskArguments.Backing();
        Option<bool> keep = new("--keep") { Description = "Leave the overlay's clusters where they are too." };
        DocumentedCommand command = new("commit", "Write an overlay's changes into its backing image and empty the overlay.", """
            Other overlays of that backing image become wrong: their disks change under them.

            Example: strata disk commit work.qcow2
            """)
        {
            image, format, allowed, keep,
        };
        command.SetAction((result, token) => Task.FromResult(DiskArguments.Run(() =>
        {
            using TerminalProgress progress = new("Committing");
            DiskTool.Commit(
                new DiskSource(result.GetValue(image)!)
                {
                    Format = result.GetValue(format),
                    Backing = DiskArguments.ParseBacking(result.GetValue(allowed)!),
                },
                result.GetValue(keep),
                progress,
                token);
            return ExitCodes.Success;
        })));
        return command;
    }
}
