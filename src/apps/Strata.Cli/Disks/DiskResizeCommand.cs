using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>`strata disk resize`.</summary>
internal static class DiskResizeCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image();
        Argument<string> size = new("size") { Description = "New size, such as 20G, or what to add, such as +5G." };
        Option<string?> format = DiskArguments.Format();
        Option<string> allowed = DiskArguments.Backing();
        Option<bool> shrink = new("--shrink")
        {
            Description = "Allow a smaller disk. Shrink the guest's file system first: what is cut off is lost.",
        };
        DocumentedCommand command = new("resize", "Change the size of a disk.", """
            Grow the guest's partition and file system afterwards; before a disk becomes smaller, shrink them.

            Example: strata disk resize root.qcow2 +5G
            """)
        {
            image, size, format, allowed, shrink,
        };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            string text = result.GetValue(size)!;
            DiskSource disk = new(result.GetValue(image)!)
            {
                Format = result.GetValue(format),
                Backing = DiskArguments.ParseBacking(result.GetValue(allowed)!),
            };
            DiskTool.Resize(disk, old =>
            {
                long bytes = text.StartsWith('+') ? old + DiskArguments.ParseSize(text[1..]) : DiskArguments.ParseSize(text);
                return bytes >= old || result.GetValue(shrink)
                    ? bytes
                    : throw DiskArguments.BadInput(
                        $"The disk has {ByteSize.Format(old)}; a smaller size loses what is behind it. Add --shrink if that is meant.");
            });
            return ExitCodes.Success;
        }));
        return command;
    }
}
