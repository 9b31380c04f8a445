using System.CommandLine;
using Strata.Disks;
using Strata.Disks.Images;
using Strata.Disks.Operations;

namespace Strata.Cli.Disks;

/// <summary>`strata disk compare`.</summary>
internal static class DiskCompareCommand
{
    public static Command Create()
    {
        Argument<string> first = DiskArguments.Image("first");
        Argument<string> second = DiskArguments.Image("second");
        Option<string?> firstFormat = DiskArguments.Format("--first-format", "the first image");
        Option<string?> secondFormat = DiskArguments.Format("--second-format", "the second image");
        Option<string> allowed = DiskArguments.Backing();
        Option<bool> strict = new("--strict")
        {
            Description = "Disks of different sizes differ even if the rest of the longer one is zeros.",
        };
        Option<string> output = OutputOption.Create();
        DocumentedCommand command = new("compare", "Say whether a guest would find the same bytes on two disks.", """
            What counts is what a guest reads, through backing images: formats, clusters and snapshots may differ.

            Example: strata disk compare root.qcow2 root.raw

            Exit code 0: the same; 1: different; 2: an image cannot be read.
            """)
        {
            first, second, firstFormat, secondFormat, allowed, strict, output,
        };
        command.SetAction((result, token) => Task.FromResult(DiskArguments.Run(() =>
        {
            bool json = OutputOption.IsJson(result, output);
            BackingAccess backing = DiskArguments.ParseBacking(result.GetValue(allowed)!);
            using DiskImage left = DiskImages.Open(
                result.GetValue(first)!, new DiskOpenOptions { Format = result.GetValue(firstFormat), ReadOnly = true, Backing = backing });
            using DiskImage right = DiskImages.Open(
                result.GetValue(second)!, new DiskOpenOptions { Format = result.GetValue(secondFormat), ReadOnly = true, Backing = backing });
            DiskComparison comparison;
            using (TerminalProgress progress = new("Comparing"))
            {
                comparison = DiskComparison.Run(left, right, progress, token);
            }

            bool isSame = comparison.IsSame && (comparison.HasSameSize || !result.GetValue(strict));
            if (json)
            {
                OutputOption.WriteJson(new { Same = isSame, comparison.DifferentAt, comparison.HasSameSize });
            }
            else
            {
                Console.WriteLine(isSame ? "The disks are the same."
                    : comparison.DifferentAt is { } at ? $"The disks differ, first at byte {at}."
                    : "The disks have different sizes.");
            }

            return isSame ? ExitCodes.Success : ExitCodes.Failure;
        })));
        return command;
    }
}
