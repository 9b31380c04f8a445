using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>`strata disk convert`.</summary>
internal static class DiskConvertCommand
{
    public static Command Create()
    {
        Argument<string> source = DiskArguments.Image("source", "Image to read.");
        Argument<string> target = DiskArguments.Image("target", "Image to make; it gets this name when it is complete.");
        Option<string?> from = DiskArguments.Format("--from", "the source");
        Option<string?> to = new("--to")
        {
            Description = $"Format of the target ({DiskArguments.FormatNames}); without it the target's extension decides.",
        };
        Option<string> allowed = DiskArguments.Backing();
        Option<bool> compress = new("--compress", "-c") { Description = "Compress the target's clusters (qcow2)." };
        Option<string?> cluster = new("--cluster-size") { Description = "Unit of allocation of the target." };
        Option<string?> subformat = DiskArguments.Subformat();
        Option<bool> force = DiskArguments.Force("Replace the target if it exists.");
        DocumentedCommand command = new(
            "convert", "Copy what a disk holds, through its backing images, into an image of another format.", """
            Zeros take no space. Snapshots inside the source are not copied.

            Examples:
              strata disk convert root.qcow2 root.raw
              strata disk convert appliance.vmdk appliance.qcow2 --compress
            """)
        {
            source, target, from, to, allowed, compress, cluster, subformat, force,
        };
        command.SetAction((result, token) => Task.FromResult(DiskArguments.Run(() =>
        {
            string name = result.GetValue(target)!;
            using TerminalProgress progress = new("Converting");
            DiskTool.Convert(
                new DiskSource(result.GetValue(source)!)
                {
                    Format = result.GetValue(from),
                    Backing = DiskArguments.ParseBacking(result.GetValue(allowed)!),
                },
                name,
                result.GetValue(to) ?? FormatOf(name),
                new DiskCreation
                {
                    Overwrite = result.GetValue(force),
                    ClusterSize = result.GetValue(cluster) is { } unit ? (int)Math.Min(DiskArguments.ParseSize(unit), int.MaxValue) : null,
                    Subformat = result.GetValue(subformat),
                },
                result.GetValue(compress),
                progress,
                token);
            return ExitCodes.Success;
        })));
        return command;
    }

    private static string FormatOf(string path)
    {
        string extension = Path.GetExtension(path).TrimStart('.');
        return extension is "img" ? "raw"
            : DiskTool.Formats.FirstOrDefault(format => format.Name.Equals(extension, StringComparison.OrdinalIgnoreCase))?.Name
            ?? throw DiskArguments.BadInput($"The name {path} shows no format; add --to with one of {DiskArguments.FormatNames}.");
    }
}
