using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>`strata disk create`.</summary>
internal static class DiskCreateCommand
{
    public static Command Create()
    {
        Argument<string> image = DiskArguments.Image(description: "File to make.");
        Argument<string?> size = new("size")
        {
            Description = "Size of the disk, such as 10G. Left out with --backing: the backing image's.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string> format = new("--format")
        {
            Description = $"Format: {DiskArguments.FormatNames}.",
            DefaultValueFactory = _ => "qcow2",
        };
        Option<string?> backing = new("--backing", "-b")
        {
            Description = "Make an overlay of this image, named relative to the new image's folder.",
        };
        Option<string?> backingFormat = new("--backing-format")
        {
            Description = "Format of the backing image; without it its content decides now, once.",
        };
        Option<string?> cluster = new("--cluster-size") { Description = "Unit of allocation, 512 to 2M; qcow2's default is 64K." };
        Option<string?> subformat = DiskArguments.Subformat();
        Option<int> version = NumberOption.Create("--format-version", "qcow2: 2 or 3.", example: 3);
        Option<int> refcountBits = NumberOption.Create("--refcount-bits", "qcow2: bits of a reference count, 1 to 64.", example: 16);
        Option<bool> lazy = new("--lazy-refcounts") { Description = "qcow2: faster flushes; a crash costs a repair at the next start." };
        Option<bool> force = DiskArguments.Force("Replace the file if it exists.");
        DocumentedCommand command = new("create", "Make an empty disk, or an overlay of another image.", """
            An overlay holds only what differs from its backing image, which must not change from then on.

            Examples:
              strata disk create root.qcow2 10G
              strata disk create work.qcow2 --backing root.qcow2
              strata disk create fixed.vhd 2G --format vhd --subformat fixed
            """)
        {
            image, size, format, backing, backingFormat, cluster, subformat, version, refcountBits, lazy, force,
        };
        command.SetAction(result => DiskArguments.Run(() =>
        {
            string path = result.GetValue(image)!;
            DiskTool.Create(path, result.GetValue(format)!, new DiskCreation
            {
                Size = result.GetValue(size) is { } text ? DiskArguments.ParseSize(text) : null,
                Overwrite = result.GetValue(force),
                BackingFile = result.GetValue(backing),
                BackingFormat = result.GetValue(backingFormat),
                ClusterSize = result.GetValue(cluster) is { } unit ? (int)Math.Min(DiskArguments.ParseSize(unit), int.MaxValue) : null,
                Subformat = result.GetValue(subformat),
                Version = result.GetResult(version) is null ? null : result.GetValue(version),
                RefcountBits = result.GetResult(refcountBits) is null ? null : result.GetValue(refcountBits),
                LazyRefcounts = result.GetValue(lazy),
            });
            return ExitCodes.Success;
        }));
        return command;
    }
}
