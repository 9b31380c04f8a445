using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Strata.Disks;
using Strata.Disks.Images;

namespace Strata.Cli.Disks;

/// <summary>What the commands of `strata disk` share: options, their meaning and the ways of output.</summary>
internal static class DiskArguments
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static string FormatNames => string.Join(", ", DiskImages.Formats.Select(format => format.Name));

    public static Argument<string> Image(string name = "image", string description = "Image file.") => new(name) { Description = description };

    public static Option<string?> Format(string name = "--format", string what = "the image") =>
        new(name) { Description = $"Format of {what} ({FormatNames}); without it the content decides. State it for raw images of guests that you do not trust." };

    public static Option<string> Backing() => new("--allow-backing")
    {
        Description = "Backing images that may be opened: folder (in the image's folder or below), any, none.",
        DefaultValueFactory = _ => "folder",
    };

    public static Option<bool> Force(string what) => new("--force", "-f") { Description = what };

    public static Option<string> Output() => new("--output", "-o") { Description = "text or json.", DefaultValueFactory = _ => "text" };

    public static BackingAccess ParseBacking(string text) => text switch
    {
        "folder" => BackingAccess.SameFolder,
        "any" => BackingAccess.Any,
        "none" => BackingAccess.None,
        _ => throw BadInput($"\"{text}\" says no backing images; write folder, any or none."),
    };

    public static long ParseSize(string text) => ByteSize.TryParse(text, out long size) && size > 0
        ? size
        : throw BadInput($"\"{text}\" is no size; write 512M, 10G or a number of bytes.");

    public static bool WantsJson(string output) => output switch
    {
        "json" => true,
        "text" => false,
        _ => throw BadInput($"There is no output \"{output}\"; use text or json."),
    };

    public static void WriteJson<T>(T value) => Console.WriteLine(JsonSerializer.Serialize(value, Json));

    /// <summary>Names from an image are untrusted: nothing in them may reach the terminal as a control sequence.</summary>
    public static string Printable(string text) => string.Concat(text.Select(character => char.IsControl(character) ? '?' : character));

    public static StrataException BadInput(string message) => new(StrataError.BadInput, message);

    /// <summary>Runs a command whose failures are the user's to read.</summary>
    public static int Run(Func<int> command)
    {
        try
        {
            return command();
        }
        catch (DiskImageException error)
        {
            throw new StrataException(StrataError.BadInput, Printable(error.Message), error);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("strata: interrupted");
            return ExitCodes.Interrupted;
        }
    }
}
