using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata type`: presses keys of a machine's keyboard.</summary>
internal static class TypeCommand
{
    public static Command Create()
    {
        Argument<string> machine = MachineArguments.Machine();
        Argument<string?> text = new("text")
        {
            Description = "What to type; \\n is Enter, \\t Tab, \\\\ a backslash.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string[]> keys = new("--key")
        {
            Description = "Keys to press together, such as enter, ctrl-c or ctrl-alt-f2; may be repeated. Behind the text.",
        };
        DocumentedCommand command = new("type", "Type on the keyboard of a machine that firmware started.", """
            The keyboard is one of the United States. The command returns when the guest has taken the keys.

            Examples:
              strata type disk 'root\n'
              strata type disk --key ctrl-alt-f2
            """)
        {
            machine, text, keys,
        };
        command.SetAction(async (result, token) =>
        {
            IMachine running = new MachineRegistry().Find(result.GetValue(machine)!);
            string[] chords = result.GetValue(keys) ?? [];
            string? typed = result.GetValue(text);
            if (typed is null && chords.Length == 0)
            {
                throw new StrataException(StrataError.BadInput, "There is nothing to type: give a text, or --key.");
            }

            if (typed is not null)
            {
                await running.TypeAsync(Unescape(typed), token);
            }

            foreach (string chord in chords)
            {
                await running.PressKeysAsync(chord, token);
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static string Unescape(string text)
    {
        List<char> characters = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                characters.Add(text[i]);
                continue;
            }

            characters.Add(text[++i] switch { 'n' => '\n', 't' => '\t', 'e' => '\e', '\\' => '\\', var other => throw Unknown(other) });
        }

        return new string([.. characters]);
    }

    private static StrataException Unknown(char character) =>
        new(StrataError.BadInput, $"\\{character} is no escape; there are \\n, \\t, \\e, and \\\\ for a backslash.");
}
