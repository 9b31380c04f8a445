using System.CommandLine;
using Strata.Control;

namespace Strata.Cli.Machines;

/// <summary>`strata cp`: files and folders between the host and a running machine.</summary>
internal static class CopyCommand
{
    public static Command Create()
    {
        Argument<string> source = new("source") { Description = "A path of the host, or MACHINE:PATH." };
        Argument<string> target = new("target") { Description = "The same; one of the two is in a machine." };
        Option<bool> replace = new("--replace") { Description = "Put new files in the place of what exists, each when it is complete." };
        DocumentedCommand command = new("cp", "Copy a file or folder into a running machine or out of it, with permissions and times.", """
            Where the target is a folder, the copy goes into it. Data goes into what exists, as with cp: a file keeps its owner, mode and
            hard links, a device gets the data, and a link is followed; out of a machine only one that is the target itself. Links in a
            tree are copied as links. Out of a machine, set-user-ID bits, and links that lead out of what is copied, stay behind. What stays
            behind or cannot be copied is named, and the rest is copied. A host path with a colon needs a slash before it: ./a:b. The guest
            needs the agent: the images of `strata image list` have it.

            Examples:
              strata cp ./src debian-tiny:/root
              strata cp debian-tiny:/var/log ./logs

            Exit code 0: all was copied; 1: something was left out, or failed; 2: bad paths, or no such machine runs.
            """)
        {
            source, target, replace,
        };
        command.SetAction(async (result, token) =>
        {
            (string? fromMachine, string from) = Split(result.GetValue(source)!);
            (string? toMachine, string to) = Split(result.GetValue(target)!);
            bool complete = true;
            switch (fromMachine, toMachine)
            {
                case (null, { } machine):
                    await new MachineRegistry().Find(machine).Agent.CopyToGuestAsync(from, to, LeftOut, result.GetValue(replace), token);
                    break;
                case ({ } machine, null):
                    await new MachineRegistry().Find(machine).Agent.CopyFromGuestAsync(from, to, LeftOut, result.GetValue(replace), token);
                    break;
                default:
                    throw new StrataException(
                        StrataError.BadInput,
                        "One of the two paths has to be in a machine, written MACHINE:PATH, and the other on the host.");
            }

            return complete ? ExitCodes.Success : ExitCodes.Failure;

            void LeftOut(string what)
            {
                complete = false;
                Console.Error.WriteLine($"strata: left out {what}");
            }
        });
        return command;
    }

    /// <summary>MACHINE:PATH, or a path of the host.</summary>
    internal static (string? Machine, string Path) Split(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        bool isInMachine = colon > 0 && text.IndexOf('/', 0, colon) < 0;
        if (!isInMachine)
        {
            return (null, text);
        }

        return text.Length > colon + 1
            ? (text[..colon], text[(colon + 1)..])
            : throw new StrataException(StrataError.BadInput, $"\"{text}\" names no path in the machine; write {text}/ for its root.");
    }
}
