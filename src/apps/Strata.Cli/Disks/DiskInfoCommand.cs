using System.CommandLine;
using System.Globalization;
using Strata.Control;
using Strata.Disks;
using Strata.Disks.Images;

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
            string path = result.GetValue(image)!;
            bool json = OutputOption.IsJson(result, output);
            using DiskImage disk = DiskImages.Open(
                path, new DiskOpenOptions { Format = result.GetValue(format), ReadOnly = true, Backing = BackingAccess.Detached });
            DiskImageInfo info = disk.Describe();
            using ImageFile file = ImageFile.Open(path, readOnly: true);
            long allocated = file.AllocatedBytes;
            if (json)
            {
                OutputOption.WriteJson(new
                {
                    File = path, info.Format, info.Subformat, info.VirtualSize, AllocatedSize = allocated, info.ClusterSize, info.BackingFile, info.BackingFormat, info.IsDirty, info.Snapshots,
                });
            }
            else
            {
                Print(path, info, allocated);
            }

            return ExitCodes.Success;
        }));
        return command;
    }

    private static void Print(string path, DiskImageInfo info, long allocated)
    {
        Console.WriteLine($"file:      {path}");
        Console.WriteLine($"format:    {info.Format}{(info.Subformat is null ? string.Empty : $" ({info.Subformat})")}");
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"disk:      {ByteSize.Format(info.VirtualSize)} ({info.VirtualSize:N0} bytes)"));
        Console.WriteLine($"takes:     {ByteSize.Format(allocated)}");
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
