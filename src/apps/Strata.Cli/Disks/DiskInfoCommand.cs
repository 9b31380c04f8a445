using System.CommandLine;
using System.Globalization;
using Strata.Control;

namespace Strata.Cli.Disks;

/// <summary>`strata disk info`.</summary>
internal static class DiskInfoCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image();
        Option<string?> format = DiskArguments.Format();
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("info", "Show an image's format, sizes, backing image and snapshots.", """
            No backing image is opened. Another process may use the image meanwhile.

            Example: strata disk info root.qcow2 --output json
            """)
        {
            image, format, output,
        };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            bool json = OutputOption.IsJson(result, output);
            DiskDescription info = DiskTool.Describe(new DiskSource(result.GetValue(image)!) { Format = result.GetValue(format) });
            if (json)
            {
                OutputOption.WriteJson(info);
            }
            else
            {
                Print(info);
            }

            return ExitCodes.Success;
        }));
        return command;
    }

    private static void Print(DiskDescription info)
    {
        Console.WriteLine($"file:      {info.File}");
        Console.WriteLine($"format:    {info.Format}{(info.Subformat is null ? string.Empty : $" ({info.Subformat})")}");
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"disk:      {ByteSize.Format(info.VirtualSize)} ({info.VirtualSize:N0} bytes)"));
        Console.WriteLine($"takes:     {ByteSize.Format(info.AllocatedSize)}");
        if (info.ClusterSize is { } cluster)
        {
            Console.WriteLine($"clusters:  {ByteSize.Format(cluster)}");
        }

        if (info.BackingFile is { } backing)
        {
            Console.WriteLine(
                $"backing:   {Printable.Text(backing)} ({Printable.Text(info.BackingFormat ?? "format not stated")})");
        }

        if (info.IsDirty)
        {
            Console.WriteLine("state:     not closed properly, or in use; opening it for writing repairs it");
        }

        if (info.Snapshots.Count != 0)
        {
            Console.WriteLine("snapshots:");
            DiskSnapshotCommand.Print(info.Snapshots);
        }
    }
}
