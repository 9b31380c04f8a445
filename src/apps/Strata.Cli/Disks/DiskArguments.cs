using System.CommandLine;

namespace Strata.Cli.Disks;

/// <summary>What the commands of `strata disk` share: options, their meaning and the ways of output.</summary>
internal static class DiskArguments
{
    public static string FormatNames => string.Join(", ", DiskTool.Formats.Select(format => format.Name));

    public static Argument<string> Image(string name = "image", string description = "Image file.") => new(name)
    {
        Description = description,
    };

    public static Option<string?> Format(string name = "--format", string what = "the image") =>
        new(name)
        {
            Description = $"Format of {what} ({FormatNames}); without it the content decides. State it for raw images of guests that you " +
                $"do not trust.",
        };

    public static Option<string?> Subformat()
    {
        IEnumerable<string> kinds = DiskTool.Formats
            .Where(format => format.Subformats.Count > 1)
            .Select(format => $"{format.Name}: {string.Join(", ", format.Subformats)}");
        return new Option<string?>("--subformat")
        {
            Description = string.Join("; ", kinds.Prepend("Kind of image, for formats that have several")) + ".",
        };
    }

    public static Option<string> Backing() => new("--allow-backing")
    {
        Description = "Backing images that may be opened: folder (in the image's folder or below), any, none.",
        DefaultValueFactory = _ => "folder",
    };

    public static Option<bool> Force(string what) => new("--force", "-f") { Description = what };

    public static BackingImages ParseBacking(string text) => text switch
    {
        "folder" => BackingImages.SameFolder,
        "any" => BackingImages.Any,
        "none" => BackingImages.None,
        _ => throw BadInput($"\"{text}\" says no backing images; write folder, any or none."),
    };

    public static long ParseSize(string text) => ByteSize.TryParse(text, out long size) && size > 0
        ? size
        : throw BadInput($"\"{text}\" is no size; write 512M, 10G or a number of bytes.");

    public static StrataException BadInput(string message) => new(StrataError.BadInput, message);

    /// <summary>Runs a command whose failures are the user's to read.</summary>
    public static int Run(Func<int> command)
    {
        try
        {
            return command();
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("strata: interrupted");
            return ExitCodes.Interrupted;
        }
    }
}
