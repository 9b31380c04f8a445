using System.CommandLine;

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
            BackingImages backing = DiskArguments.ParseBacking(result.GetValue(allowed)!);
            DiskSource left = new(result.GetValue(first)!) { Format = result.GetValue(firstFormat), Backing = backing };
            DiskSource right = new(result.GetValue(second)!) { Format = result.GetValue(secondFormat), Backing = backing };
            DiskDifference comparison;
            using (TerminalProgress progress = new("Comparing"))
            {
                comparison = DiskTool.Compare(left, right, progress, token);
            }

            bool isSame = comparison.IsSame && (comparison.HasSameSize || !result.GetValue(strict));
            if (json)
            {
                OutputOption.WriteJson(new DiskComparison(isSame, comparison.DifferentAt, comparison.HasSameSize));
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

/// <summary>What a comparison found, in the form that programs read.</summary>
/// <param name="DifferentAt">Offset of the first byte that differs, or null.</param>
internal sealed record DiskComparison(bool Same, long? DifferentAt, bool HasSameSize);
