using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata screen`: what a machine shows.</summary>
internal static class ScreenCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Option<string?> png = new("--png") { Description = "Write a picture of the screen to a file, in any mode; - for standard output." };
        Option<bool> text = new("--text") { Description = "Print the text of a text mode; so it is without an option." };
        DocumentedCommand command = new("screen", "Show what is on the screen of a machine that firmware started.", """
            Text in pictures is read as far as its font is known; otherwise write the picture.

            Examples:
              strata screen disk
              strata screen disk --png now.png
            """)
        {
            machine, png, text,
        };
        command.SetAction(async (result, token) =>
        {
            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            if (result.GetValue(png) is { } path)
            {
                if (result.GetValue(text))
                {
                    throw new StrataException(StrataError.BadInput, "--png and --text are two forms of one thing; give one of them.");
                }

                await WriteAsync(path, await running.CaptureScreenAsync(token), token);
                return ExitCodes.Success;
            }

            string shown = await running.ReadScreenAsync(token)
                ?? throw new StrataException(
                    StrataError.Guest, "The screen shows a picture in which no text is found; write a picture with --png FILE.");
            foreach (string line in shown.TrimEnd('\n').Split('\n'))
            {
                Console.WriteLine(Printable.Text(line));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task WriteAsync(string path, byte[] picture, CancellationToken token)
    {
        if (path == "-")
        {
            using StandardStream output = new(StandardStream.Output);
            output.Write(picture);
            return;
        }

        try
        {
            await File.WriteAllBytesAsync(path, picture, token);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StrataException(
                StrataError.BadInput, $"The picture {path} cannot be written: {error.Message} Check the path.", error);
        }
    }
}
