using System.CommandLine;
using Strata.Disks;
using Strata.Disks.Images;

namespace Strata.Cli.Disks;

/// <summary>`strata disk check`.</summary>
internal static class DiskCheckCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image();
        Option<string?> format = DiskArguments.Format();
        Option<bool> repair = new("--repair") { Description = "Correct what can be corrected without losing data. Nobody else may use the image." };
        Option<string> output = DiskArguments.Output();
        Command command = new("check", "Look for inconsistent metadata and lost space. Exit code 0: none (or all repaired), 1: some.") { image, format, repair, output };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            bool json = DiskArguments.WantsJson(result.GetValue(output)!);
            bool write = result.GetValue(repair);
            using DiskImage disk = DiskImages.Open(result.GetValue(image)!, new DiskOpenOptions
            {
                Format = result.GetValue(format),
                ReadOnly = !write,
                ForRepair = true,
                Backing = BackingAccess.Detached,
            });
            DiskCheckReport report = disk.Check(write);
            if (json)
            {
                DiskArguments.WriteJson(report);
            }
            else
            {
                Print(report);
            }

            return report.IsClean ? ExitCodes.Success : ExitCodes.Failure;
        }));
        return command;
    }

    private static void Print(DiskCheckReport report)
    {
        foreach (string error in report.Errors)
        {
            Console.WriteLine($"error: {DiskArguments.Printable(error)}");
        }

        if (report.LeakedBytes != 0)
        {
            Console.WriteLine($"leak: {ByteSize.Format(report.LeakedBytes)} are allocated but not used");
        }

        foreach (string line in report.Repairs)
        {
            Console.WriteLine($"repaired: {line}");
        }

        Console.WriteLine(report.IsClean ? "The image is sound." : "The image is damaged; --repair corrects what can be corrected.");
    }
}
