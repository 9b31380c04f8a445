using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Disks;

/// <summary>`strata disk check`.</summary>
internal static class DiskCheckCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image();
        Option<string?> format = DiskArguments.Format();
        Option<bool> repair = new("--repair")
        {
            Description = "Correct what can be corrected without losing data. Nobody else may use the image.",
        };
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("check", "Look for inconsistent metadata and lost space.", """
            Example: strata disk check root.qcow2 --repair

            Exit code 0: the image is sound, or everything was repaired; 1: it is damaged; 2: it cannot be read.
            """)
        {
            image, format, repair, output,
        };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            bool json = OutputOption.IsJson(result, output);
            bool write = result.GetValue(repair);
            DiskCheck report = DiskTool.Check(new DiskSource(result.GetValue(image)!) { Format = result.GetValue(format) }, write);
            if (json)
            {
                OutputOption.WriteJson(report);
            }
            else
            {
                Print(report);
            }

            return report.IsClean ? ExitCodes.Success : ExitCodes.Failure;
        }));
        return command;
    }

    private static void Print(DiskCheck report)
    {
        foreach (string error in report.Errors)
        {
            Console.WriteLine($"error: {Printable.Text(error)}");
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
